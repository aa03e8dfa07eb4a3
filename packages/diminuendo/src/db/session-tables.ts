/** Owns the SQL that writes and loads one session's database. Called inside the writer's transactions. */
import type { Database } from "bun:sqlite";
import type { SessionStatus } from "../protocol/index.ts";
import type { Commit, Row, SessionSnapshot, StoredTurn } from "./storage.ts";

/** Stores one commit. Throws if it does not continue the log exactly where it ends (D1). */
export function storeCommit(database: Database, commit: Commit): void {
  const insert = database.query(
    "INSERT INTO events (seq, type, turn_id, ts, frame) VALUES (?, ?, ?, ?, ?)",
  );
  let lastSeq = lastSeqOf(database);
  for (const { seq, type, turnId, ts, frame } of commit.events) {
    if (seq !== lastSeq + 1) throw new Error(`seq ${seq} does not follow ${lastSeq}`);
    insert.run(seq, type, turnId, ts, frame);
    lastSeq = seq;
  }
  for (const row of commit.rows) storeRow(database, row, commit.nowMs);
  setMeta(database, "status", commit.status);
  setMeta(database, "podium_event_id", String(commit.podiumEventId));
}

/** What the database says beside its events; gives it `epoch` if it is new. */
export function loadSnapshot(database: Database, epoch: string): SessionSnapshot {
  database.query("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING").run(epoch);
  const openTurn = loadOpenTurn(database);
  return {
    epoch: meta(database, "epoch") ?? epoch,
    lastSeq: lastSeqOf(database),
    status: (meta(database, "status") ?? "inactive") as SessionStatus,
    podiumEventId: Number(meta(database, "podium_event_id") ?? 0),
    openTurn,
    pendingApprovals: openTurn === null ? [] : loadPending(database, openTurn.turnId),
  };
}

function storeRow(database: Database, row: Row, nowMs: number): unknown {
  switch (row.kind) {
    case "turn_opened":
      return storeTurn(database, row.turn, row.idempotencyKey, nowMs);
    case "turn_command":
      return run(database, "UPDATE turns SET command_id = ? WHERE turn_id = ?", [
        row.commandId,
        row.turnId,
      ]);
    case "turn_stop":
      return run(database, "UPDATE turns SET stop_actor = ? WHERE turn_id = ?", [
        JSON.stringify(row.actor),
        row.turnId,
      ]);
    case "turn_closed":
      return run(database, "UPDATE turns SET outcome = ?, closed_at = ? WHERE turn_id = ?", [
        row.outcome,
        nowMs,
        row.turnId,
      ]);
    case "message":
      return run(database, "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?)", [
        row.messageId,
        row.turnId,
        row.role,
        row.text,
        nowMs,
      ]);
    case "approval_opened":
      return run(
        database,
        "INSERT INTO approvals VALUES (?, ?, ?, NULL, ?) ON CONFLICT DO NOTHING",
        [row.approvalId, row.turnId, row.commandId, nowMs],
      );
    case "approval_closed":
      return run(database, "UPDATE approvals SET decision = ? WHERE approval_id = ?", [
        row.decision,
        row.approvalId,
      ]);
  }
}

function storeTurn(
  database: Database,
  turn: StoredTurn,
  key: string | null,
  nowMs: number,
): unknown {
  return run(
    database,
    `INSERT INTO turns (turn_id, user_id, text, actor, trace_id, idempotency_key, command_id, stop_actor, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      turn.turnId,
      turn.actor.user,
      turn.text,
      JSON.stringify(turn.actor),
      turn.traceId,
      key,
      turn.commandId,
      turn.stopActor === null ? null : JSON.stringify(turn.stopActor),
      nowMs,
    ],
  );
}

interface TurnColumns {
  readonly turn_id: string;
  readonly text: string;
  readonly actor: string;
  readonly trace_id: string;
  readonly command_id: string | null;
  readonly stop_actor: string | null;
}

function loadOpenTurn(database: Database): StoredTurn | null {
  const row = database
    .query<TurnColumns, []>(
      "SELECT turn_id, text, actor, trace_id, command_id, stop_actor FROM turns WHERE outcome IS NULL",
    )
    .get();
  if (row === null) return null;
  return {
    turnId: row.turn_id,
    text: row.text,
    actor: JSON.parse(row.actor),
    traceId: row.trace_id,
    commandId: row.command_id,
    stopActor: row.stop_actor === null ? null : JSON.parse(row.stop_actor),
  };
}

function loadPending(database: Database, turnId: string): readonly string[] {
  return database
    .query<{ approval_id: string }, [string]>(
      "SELECT approval_id FROM approvals WHERE turn_id = ? AND decision IS NULL",
    )
    .all(turnId)
    .map((row) => row.approval_id);
}

function lastSeqOf(database: Database): number {
  const row = database
    .query<{ seq: number | null }, []>("SELECT MAX(seq) AS seq FROM events")
    .get();
  return row?.seq ?? 0;
}

function meta(database: Database, key: string): string | undefined {
  return database
    .query<{ value: string }, [string]>("SELECT value FROM meta WHERE key = ?")
    .get(key)?.value;
}

function setMeta(database: Database, key: string, value: string): void {
  run(database, "INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value]);
}

function run(database: Database, sql: string, values: (string | number | null)[]): unknown {
  return database.query(sql).run(...values);
}
