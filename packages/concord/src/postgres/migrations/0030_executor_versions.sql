-- Up Migration
-- Which version of the workflows a process runs: runs of a version that nobody alive has are started again.

ALTER TABLE concord.executors ADD COLUMN version TEXT NOT NULL DEFAULT 'run-command-1';
