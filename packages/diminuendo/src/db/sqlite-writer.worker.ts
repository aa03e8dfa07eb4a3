/**
 * Owns every write. Commands gather for a millisecond or until there are 1,000; then what is events alone goes to the
 * journal in one transaction, and each other database gets one with its commands in the order they came. An answer
 * leaves only after the commit. A command that fails takes down the others of its transaction, and all are told.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { performAutomation } from "./automation-commands.ts";
import { closeReservation, reserve, topUp } from "./billing-tables.ts";
import { assertClaim, claimTenant, Superseded } from "./claims.ts";
import {
  type Durability,
  databasePath,
  nameOf,
  openForWriting,
  SAFE_NAME,
} from "./database-files.ts";
import { DbLruCache } from "./db-lru-cache.ts";
import { noteRemoval } from "./deletion-table.ts";
import { type BatchAnswer, decodeBatch } from "./event-batch.ts";
import { EventJournal } from "./event-journal.ts";
import { changeMembers } from "./member-tables.ts";
import { migrate } from "./migrations.ts";
import {
  createSession,
  forgetSession,
  labelSession,
  sessionDropped,
  updateSession,
} from "./registry-tables.ts";
import { applyEntry, positionOf, putFile } from "./replica.ts";
import { loadSnapshot, storeCommit } from "./session-tables.ts";
import { setSpendingLimit } from "./spending-tables.ts";
import type { Answer, Ask, DatabaseName, Moved, ReplicaCommand, WriterCommand } from "./storage.ts";
import type { Commit, SessionSnapshot } from "./stored-session.ts";

declare const self: Worker;

type Entry = Extract<ReplicaCommand, { readonly kind: "apply" }>["commands"][number];

interface Waiting<C extends WriterCommand = WriterCommand> {
  readonly id: number;
  readonly command: C;
  readonly claim: number | undefined;
}

const BATCH_DELAY_MS = 1; // Well under the 10 ms allowed: what arrives during a commit forms the next batch.
/** What came during a slow sync should need one more, not ten. */
const BATCH_COMMANDS_MAX = 1_000;
/** Of each shape: a tenant's registry is written at every change of state, and must not make room for sessions. */
const HANDLES_MAX = { registry: 256, session: 128 };
/** A session that wrote nothing for this long gets its events into its own database. */
const QUIET_MS = 30_000;
/** With more sessions than this in the journal the quietest move earlier. */
const HOT_MAX = 20_000;
const TIDY_EVERY_MS = 1_000;
/** A handle that was not used for so long keeps no pages. */
const UNUSED_MS = 5_000;
/** Others wait for their commits meanwhile. */
const TIDY_MS_MAX = 10;

const dataDir = process.env["DIMINUENDO_WORKER_DATA_DIR"] ?? "";
const durability = (process.env["DIMINUENDO_WORKER_DURABILITY"] ?? "full") as Durability;
const handles = {
  registry: new DbLruCache(HANDLES_MAX.registry),
  session: new DbLruCache(HANDLES_MAX.session),
};
const journal = new EventJournal(dataDir, Date.now());
const tidying = setInterval(tidy, TIDY_EVERY_MS);
let waiting: Waiting[] = [];
/** Commands by database, the one that has waited longest first. */
const groups = new Map<string, Waiting[]>();
/** Committed, and not told yet. */
let answers: Answer[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;
let next: ReturnType<typeof setImmediate> | null = null;
let isClosed = false;

self.onmessage = ({
  data,
}: MessageEvent<string | readonly Ask<WriterCommand | ReplicaCommand>[]>) => {
  if (typeof data === "string") {
    self.postMessage(stored(data));
    // Its readers are being told meanwhile, and the next batch is still gathering.
    return journal.checkpointIfDue();
  }
  for (const one of data) receive(one);
  tellAnswers();
};

/** A batch of events gathered on the other side: it has waited long enough. */
function stored(text: string): BatchAnswer {
  const { number, commits } = decodeBatch(text);
  const untaken: number[] = [];
  const taken = commits.filter((commit, index) => {
    const goesOn = journal.goesOn(commit);
    if (!goesOn) untaken.push(index);
    return goesOn;
  });
  try {
    const place = taken.length === 0 ? 0 : journal.append(taken, Date.now());
    return { batch: number, place, untaken };
  } catch (error) {
    return { batch: number, place: 0, untaken, error: String(error) };
  }
}

function receive({ id, ask, claim }: Ask<WriterCommand | ReplicaCommand>): void {
  if (ask.kind === "flush" || ask.kind === "stop") {
    flush();
    if (ask.kind === "stop") closeAll();
    answers.push({ id, ok: true, value: null });
    return;
  }
  if (isForReplica(ask)) {
    answers.push(asReplica(id, ask));
    return;
  }
  if (!SAFE_NAME.test(nameOf(ask).id)) {
    answers.push({ id, ok: false, error: "the id cannot name a database" });
    return;
  }
  if (ask.kind === "drop_session") {
    flush();
    answers.push(dropped(id, ask.sessionId));
    return;
  }
  waiting.push({ id, command: ask, claim });
  if (waiting.length >= BATCH_COMMANDS_MAX) takeIn();
  timer ??= setTimeout(work, BATCH_DELAY_MS);
}

/** Everything that came so far is committed when this returns. */
function flush(): void {
  takeIn();
  for (const path of groups.keys()) commitNext(path);
}

/** What is events alone is committed at once; the rest waits for its database's turn. */
function takeIn(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  const batch = waiting;
  waiting = [];
  const events = batch.filter(isEventsAlone);
  journalAll(events);
  const journaled = new Set<Waiting>(events);
  for (const one of batch) {
    if (journaled.has(one)) continue;
    const path = databasePath(dataDir, nameOf(one.command));
    groups.set(path, [...(groups.get(path) ?? []), one]);
  }
}

/** One database after the other, and before each what came meanwhile: text that streams does not wait for all of them. */
function work(): void {
  takeIn();
  const [path] = groups.keys();
  if (path !== undefined) commitNext(path);
  // Messages that have arrived come first.
  if (groups.size > 0 && next === null) {
    next = setImmediate(() => {
      next = null;
      work();
    });
  }
}

function commitNext(path: string): void {
  const group = groups.get(path) ?? [];
  groups.delete(path);
  commitGroup(path, group);
}

/** Under a claim another gateway may be the writer by now: that is told by the session's own database. */
const isEventsAlone = (one: Waiting): one is Waiting<Commit> =>
  one.command.kind === "commit" && one.claim === undefined && journal.takes(one.command);

function journalAll(group: readonly Waiting<Commit>[]): void {
  if (group.length === 0) return;
  try {
    const commits = group.map(({ command }) => command);
    let end = journal.append(commits, Date.now()) - 1;
    for (const { id, command } of group) {
      end += command.events.length;
      answers.push({ id, ok: true, value: end });
    }
  } catch (error) {
    for (const { id } of group) answers.push({ id, ok: false, error: String(error) });
  }
  tellAnswers();
}

function commitGroup(path: string, group: readonly Waiting[]): void {
  try {
    const shape = group[0] === undefined ? "session" : nameOf(group[0].command).shape;
    const database = handles[shape].get(path, performance.now(), () => openMigrated(path, shape));
    // Immediate: another gateway's process may write between our first look and our first write.
    const done = database
      .transaction(() =>
        group.map((one) => {
          if (isFolded(one)) journal.foldInto(database, one.command.sessionId);
          return { ...one, value: guarded(database, one) };
        }),
      )
      .immediate();
    for (const one of done) {
      if (isFolded(one)) noteFolded(one.command, one.value);
      answers.push({ id: one.id, ok: true, value: one.value });
    }
  } catch (error) {
    const superseded = error instanceof Superseded;
    for (const { id } of group) answers.push({ id, ok: false, error: String(error), superseded });
  }
  tellAnswers();
}

type OfSession = Extract<WriterCommand, { readonly kind: "open_session" | "commit" }>;

/**
 * What needs everything of the session in one place: a commit, and opening under a claim, because another gateway may
 * write from here on, to the session's own database. Otherwise a session is opened from both places, and nothing written.
 */
const isFolded = (one: Waiting): one is Waiting<OfSession> =>
  one.command.kind === "commit" || (one.command.kind === "open_session" && one.claim !== undefined);

/** What was committed to a session's own database: where its log ends, and that nothing of it is left elsewhere. */
function noteFolded(command: OfSession, value: unknown): void {
  const end =
    command.kind === "commit" ? command.events.at(-1)?.seq : (value as SessionSnapshot).lastSeq;
  journal.folded(command.sessionId, end);
}

/** Moves events of sessions that are quiet or have many, one after the other; what came meanwhile goes first. */
function tidy(): void {
  const nowMs = performance.now();
  for (const one of Object.values(handles)) one.shrinkUnused(nowMs - UNUSED_MS);
  tidyUntil(nowMs + TIDY_MS_MAX);
}

function tidyUntil(endMs: number): void {
  const nowMs = Date.now();
  const quietMs = journal.hotCount > HOT_MAX ? 0 : QUIET_MS;
  const sessionId = waiting.length + groups.size === 0 ? journal.nextToMove(nowMs - quietMs) : null;
  if (sessionId === null || performance.now() > endMs) {
    journal.sweep();
    return;
  }
  const path = databasePath(dataDir, { shape: "session", id: sessionId });
  const database = handles.session.get(path, performance.now(), () =>
    openMigrated(path, "session"),
  );
  database.transaction(() => journal.foldInto(database, sessionId)).immediate();
  journal.folded(sessionId, undefined);
  self.postMessage({ moved: [sessionId] } satisfies Moved);
  setTimeout(() => isClosed || tidyUntil(endMs), 0);
}

function closeAll(): void {
  isClosed = true;
  clearInterval(tidying);
  handles.registry.closeAll();
  handles.session.closeAll();
  journal.close();
}

const REPLICA_KINDS: readonly string[] = [
  "apply",
  "position",
  "export",
  "import",
] satisfies ReplicaCommand["kind"][];
const isForReplica = (ask: { readonly kind: string }): ask is ReplicaCommand =>
  REPLICA_KINDS.includes(ask.kind);

/** Nothing waits for a batch here: the delegate's log has brought the commands together already. */
function asReplica(id: number, ask: ReplicaCommand): Answer {
  try {
    const path = databasePath(dataDir, ask.of);
    if (ask.kind === "import") {
      handles[ask.of.shape].close(path);
      mkdirSync(dirname(path), { recursive: true });
      putFile(path, Bun.gunzipSync(new Uint8Array(ask.bytes)));
      return { id, ok: true, value: null };
    }
    const { shape } = ask.of;
    const database = handles[shape].get(path, performance.now(), () => openMigrated(path, shape));
    if (ask.kind === "position") return { id, ok: true, value: positionOf(database) };
    if (ask.kind === "export") {
      return { id, ok: true, value: Bun.gzipSync(new Uint8Array(database.serialize())) };
    }
    return { id, ok: true, value: applyEntry(database, ask, (one) => guarded(database, one)) };
  } catch (error) {
    return { id, ok: false, error: String(error) };
  }
}

function guarded(
  database: Database,
  { command, claim }: Pick<Waiting, "command" | "claim"> | Entry,
): unknown {
  if (claim !== undefined) assertClaim(database, command, claim);
  return perform(database, command);
}

function perform(database: Database, command: WriterCommand): unknown {
  switch (command.kind) {
    case "open_session":
      return journal.upToDate(command.sessionId, loadSnapshot(database, command.epoch));
    case "commit":
      storeCommit(database, command);
      return null;
    case "create_session":
      return createSession(database, command);
    case "update_session":
      return updateSession(database, command);
    case "label_session":
      return labelSession(database, command);
    case "forget_session":
      return forgetSession(database, command);
    case "change_members":
      return changeMembers(database, command);
    case "reserve":
      return reserve(database, command);
    case "close_reservation":
      return closeReservation(database, command);
    case "top_up":
      return topUp(database, command);
    case "claim_tenant":
      return claimTenant(database, command);
    case "set_spending_limit":
      return setSpendingLimit(database, command);
    case "session_removed":
      return noteRemoval(database, command);
    case "session_dropped":
      return sessionDropped(database, command.sessionId);
    case "drop_session":
      throw new Error("drop_session is no statement");
    default:
      return performAutomation(database, command);
  }
}

/** What was written to the session is committed before: nobody waits for an answer that cannot come. */
function dropped(id: number, sessionId: string): Answer {
  try {
    const path = databasePath(dataDir, { shape: "session", id: sessionId });
    handles.session.close(path);
    journal.drop(sessionId);
    rmSync(dirname(path), { recursive: true, force: true });
    return { id, ok: true, value: null };
  } catch (error) {
    return { id, ok: false, error: String(error) };
  }
}

function openMigrated(path: string, shape: DatabaseName["shape"]): Database {
  const database = openForWriting(path, durability);
  migrate(database, shape);
  return database;
}

function tellAnswers(): void {
  if (answers.length > 0) self.postMessage(answers);
  answers = [];
}
