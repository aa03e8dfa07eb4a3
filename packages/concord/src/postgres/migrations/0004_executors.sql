-- Up Migration
-- Which processes are alive. One that stopped beating is dead: its runs go to the others (see executors.ts).

CREATE TABLE concord.executors (
  executor_id TEXT PRIMARY KEY,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  beat_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
