/** Owns the SQL that writes and loads one session's database. Called inside the writer's transactions. */
import type { Database } from "bun:sqlite";
import type { TurnFate } from "../domain/ledger.ts";
import type { SessionStatus } from "../protocol/index.ts";
import { remember } from "./answers-table.ts";
import type {
  Commit,
  DeltaRange,
  HistoryRow,
  JournaledEvent,
  PendingSteer,
  Row,
  SessionSnapshot,
  StoredEvent,
  StoredTurn,
  WaitingTurn,
} from "./stored-session.ts";

/** Stores one commit. Throws if it does not continue the log exactly where it ends (D1). */
export function storeCommit(database: Database, commit: Commit): void {
  storeEvents(database, commit.events);
  for (const messageId of commit.compacted) {
    run(database, "DELETE FROM events WHERE delta_of = ?", [messageId]);
  }
  for (const row of commit.rows) storeRow(database, row, commit.nowMs);
  setPlace(database, commit);
}

/** Stores what waited in the journal. Throws like `storeCommit`. */
export function storeFolded(database: Database, events: readonly JournaledEvent[]): void {
  storeEvents(database, events);
  const newest = events.at(-1);
  if (newest !== undefined) setPlace(database, newest);
}

function storeEvents(database: Database, events: readonly StoredEvent[]): void {
  const insert = database.query(
    "INSERT INTO events (seq, type, turn_id, ts, frame, delta_of) VALUES (?, ?, ?, ?, ?, ?)",
  );
  let lastSeq = lastSeqOf(database);
  for (const { seq, type, turnId, ts, frame, deltaOf } of events) {
    if (seq !== lastSeq + 1) throw new Error(`seq ${seq} does not follow ${lastSeq}`);
    insert.run(seq, type, turnId, ts, frame, deltaOf);
    lastSeq = seq;
  }
}

function setPlace(
  database: Database,
  { status, podiumEventId }: Pick<Commit, "status" | "podiumEventId">,
): void {
  setMeta(database, "status", status);
  setMeta(database, "podium_event_id", String(podiumEventId));
}

/** What the database says beside its events; gives it `epoch` if it is new. */
export function loadSnapshot(database: Database, epoch: string): SessionSnapshot {
  database.query("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING").run(epoch);
  const openTurn = loadOpenTurn(database);
  return {
    epoch: meta(database, "epoch") ?? epoch,
    firstSeq: firstSeqOf(database),
    lastSeq: lastSeqOf(database),
    status: (meta(database, "status") ?? "inactive") as SessionStatus,
    podiumEventId: Number(meta(database, "podium_event_id") ?? 0),
    openTurn,
    waiting: loadWaiting(database),
    steers: openTurn === null ? [] : loadSteers(database, openTurn.turnId),
    deltas: loadDeltas(database),
    pendingRequests: openTurn === null ? [] : loadPending(database, openTurn.turnId),
  };
}

function storeRow(database: Database, row: Row, nowMs: number): unknown {
  switch (row.kind) {
    case "turn_opened":
      return storeTurn(database, row.turn, row.idempotencyKey, nowMs);
    case "turn_waits":
      return storeWaiting(database, row.waiting, row.whenBusy, nowMs);
    case "turn_waits_no_more":
      return run(database, "DELETE FROM waiting_turns WHERE turn_id = ?", [row.turnId]);
    case "turn_usage":
      return run(
        database,
        "UPDATE turns SET input_tokens = ?, output_tokens = ? WHERE turn_id = ?",
        [row.usage.inputTokens, row.usage.outputTokens, row.turnId],
      );
    case "turn_accounted":
      return run(database, "INSERT INTO turn_usage VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", [
        row.turnId,
        row.usage.inputTokens,
        row.usage.outputTokens,
        row.cost,
      ]);
    case "steer_pends":
      return run(database, "INSERT INTO steers VALUES (?, ?, ?, 1, ?)", [
        row.steer.steerId,
        row.steer.turnId,
        JSON.stringify(row.steer),
        nowMs,
      ]);
    case "steer_pends_no_more":
      return run(database, "UPDATE steers SET pending = 0 WHERE steer_id = ?", [row.steerId]);
    case "answered":
      return remember(database, row.remembered, nowMs);
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
      return run(
        database,
        `INSERT INTO messages VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (message_id) DO UPDATE SET text = excluded.text`,
        [row.messageId, row.turnId, row.role, row.text, nowMs],
      );
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
    `INSERT INTO turns (turn_id, user_id, text, actor, trace_id, idempotency_key, command_id, stop_actor,
       created_at, price, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      turn.price === null ? null : JSON.stringify(turn.price),
      turn.cause === undefined ? null : JSON.stringify(turn.cause),
    ],
  );
}

function storeWaiting(
  database: Database,
  { place, turn, messageId, idempotencyKey }: WaitingTurn,
  whenBusy: string,
  nowMs: number,
): unknown {
  return run(database, "INSERT INTO waiting_turns VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [
    turn.turnId,
    place,
    JSON.stringify(turn),
    messageId,
    turn.actor.user,
    idempotencyKey,
    whenBusy,
    nowMs,
  ]);
}

function loadWaiting(database: Database): readonly WaitingTurn[] {
  return database
    .query<{ place: number; turn: string; message_id: string; idempotency_key: string | null }, []>(
      "SELECT place, turn, message_id, idempotency_key FROM waiting_turns ORDER BY place",
    )
    .all()
    .map((row) => ({
      place: row.place,
      turn: JSON.parse(row.turn),
      messageId: row.message_id,
      idempotencyKey: row.idempotency_key,
    }));
}

function loadSteers(database: Database, turnId: string): readonly PendingSteer[] {
  return database
    .query<{ steer: string }, [string]>(
      "SELECT steer FROM steers WHERE turn_id = ? AND pending = 1 ORDER BY created_at, rowid",
    )
    .all(turnId)
    .map((row) => JSON.parse(row.steer));
}

function loadDeltas(database: Database): readonly (readonly [string, DeltaRange])[] {
  return database
    .query<{ delta_of: string; first: number; last: number }, []>(
      `SELECT delta_of, MIN(seq) AS first, MAX(seq) AS last FROM events
       WHERE delta_of IS NOT NULL GROUP BY delta_of`,
    )
    .all()
    .map((row) => [row.delta_of, [row.first, row.last]]);
}

/** The newest messages before `beforePlace`, oldest first; a message's place is when it was first kept. */
export function loadHistory(
  database: Database,
  beforePlace: number | null,
  limit: number,
): readonly HistoryRow[] {
  return database
    .query<HistoryRow, [number, number]>(
      `SELECT rowid AS place, message_id AS messageId, turn_id AS turnId, role, text, created_at AS ts
       FROM messages WHERE rowid < ? ORDER BY rowid DESC LIMIT ?`,
    )
    .all(beforePlace ?? Number.MAX_SAFE_INTEGER, limit)
    .reverse();
}

interface TurnColumns {
  readonly turn_id: string;
  readonly text: string;
  readonly actor: string;
  readonly trace_id: string;
  readonly command_id: string | null;
  readonly stop_actor: string | null;
  readonly price: string | null;
  readonly cause: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

function loadOpenTurn(database: Database): StoredTurn | null {
  const row = database
    .query<TurnColumns, []>(
      `SELECT turn_id, text, actor, trace_id, command_id, stop_actor, price, cause, input_tokens,
         output_tokens FROM turns WHERE outcome IS NULL`,
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
    price: row.price === null ? null : JSON.parse(row.price),
    usage: { inputTokens: row.input_tokens, outputTokens: row.output_tokens },
    ...(row.cause === null ? {} : { cause: JSON.parse(row.cause) }),
  };
}

/** What became of a turn that holds a reservation. */
export function fateOf(database: Database, turnId: string): TurnFate {
  const over = database
    .query<{ cost: number | null }, [string]>("SELECT cost FROM turn_usage WHERE turn_id = ?")
    .get(turnId);
  if (over !== null) return { kind: "over", cost: over.cost };
  const alive = database
    .query<unknown, [string, string, string]>(
      `SELECT 1 FROM turns WHERE turn_id = ? AND outcome IS NULL
       UNION ALL SELECT 1 FROM waiting_turns WHERE turn_id = ?
       UNION ALL SELECT 1 FROM steers WHERE pending = 1 AND steer ->> '$.nextTurnId' = ?`,
    )
    .get(turnId, turnId, turnId);
  return { kind: alive === null ? "unknown" : "alive" };
}

function loadPending(database: Database, turnId: string): readonly string[] {
  return database
    .query<{ approval_id: string }, [string]>(
      "SELECT approval_id FROM approvals WHERE turn_id = ? AND decision IS NULL",
    )
    .all(turnId)
    .map((row) => row.approval_id);
}

export function lastSeqOf(database: Database): number {
  const row = database
    .query<{ seq: number | null }, []>("SELECT MAX(seq) AS seq FROM events")
    .get();
  return row?.seq ?? 0;
}

function firstSeqOf(database: Database): number {
  const row = database
    .query<{ seq: number | null }, []>("SELECT MIN(seq) AS seq FROM events")
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
