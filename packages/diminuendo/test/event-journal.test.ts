/**
 * The journal that sessions share: what was told is kept when the process is killed, a session's events are found once
 * and in order wherever they lie, and a cut between moving them and deleting them leaves one of each.
 */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig, type Settings } from "../src/app-config.ts";
import { EventJournal, journalPath } from "../src/db/event-journal.ts";
import type { Commit, SessionSnapshot, StoredEvent } from "../src/db/stored-session.ts";
import { WorkerManager } from "../src/db/WorkerManager.ts";
import type { SessionEvent } from "../src/protocol/index.ts";
import { exportTenant } from "../src/transfer/tenant-transfer.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "diminuendo-test-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const sessionId = "sess_1";

/** Runs `use` with the two workers on `dataDir`, from their start to their end. */
function withWorkers<A>(
  use: (workers: WorkerManager["Service"]) => Effect.Effect<A, unknown>,
): Promise<A> {
  const settings = { dataDir } as unknown as Settings;
  const layer = WorkerManager.layer.pipe(Layer.provide(Layer.succeed(AppConfig, settings)));
  return Effect.runPromise(Effect.scoped(Effect.provide(WorkerManager.use(use), layer)));
}

const event = (seq: number): StoredEvent => ({
  seq,
  type: "text_delta",
  turnId: "turn_1",
  ts: seq,
  frame: `{"seq":${seq}}`,
  deltaOf: "m1",
});
const commitOf = (...seqs: readonly number[]): Commit => ({
  kind: "commit",
  ofTenant: "t",
  sessionId,
  events: seqs.map(event),
  compacted: [],
  rows: [],
  status: "running",
  podiumEventId: seqs.at(-1) ?? 0,
  nowMs: 1,
});
/** Such a commit goes to the session's own database, and takes along what waits. */
const withRow = (commit: Commit): Commit => ({
  ...commit,
  rows: [
    {
      kind: "message",
      messageId: `m${commit.podiumEventId}`,
      turnId: null,
      role: "user",
      text: "",
    },
  ],
});
const open = { kind: "open_session", ofTenant: "t", sessionId, epoch: "epoch_1" } as const;
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const pageOf = (
  workers: WorkerManager["Service"],
  bounds: { afterSeq: number; throughSeq: number; from: "oldest" | "newest"; limit: number },
) =>
  workers
    .read({ kind: "events", tenantId: "t", sessionId, bytesMax: 1_000_000, ...bounds })
    .pipe(Effect.map(({ events }) => events.map(({ seq }) => seq)));

const journaled = (): number => {
  const journal = new Database(join(dataDir, "journal.db"), { readonly: true });
  const row = journal.query<{ n: number }, []>("SELECT COUNT(*) AS n FROM journaled").get();
  journal.close();
  return row?.n ?? 0;
};

test("D2 pages across both places are whole, from either end", async () => {
  await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      yield* workers.write(withRow(commitOf(...range(1, 5))));
      for (const seq of range(6, 12)) yield* workers.write(commitOf(seq));
      for (const afterSeq of range(0, 12)) {
        for (const limit of [1, 3, 20]) {
          const inOrder = range(afterSeq + 1, 12);
          const bounds = { afterSeq, throughSeq: 12, limit };
          expect(yield* pageOf(workers, { ...bounds, from: "oldest" })).toEqual(
            inOrder.slice(0, limit),
          );
          expect(yield* pageOf(workers, { ...bounds, from: "newest" })).toEqual(
            inOrder.slice(-limit),
          );
        }
      }
      expect(
        yield* pageOf(workers, { afterSeq: 3, throughSeq: 7, from: "oldest", limit: 9 }),
      ).toEqual(range(4, 7));
    }),
  );
  expect(journaled()).toBe(7);
});

test("D1 a cut between moving and deleting leaves one of each, and the log goes on", async () => {
  await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      for (const seq of range(1, 9)) yield* workers.write(commitOf(seq));
    }),
  );
  const before = join(dataDir, "before");
  cpSync(join(dataDir, "journal.db"), before);
  // Opened from both places, and nothing is moved for that.
  const opened = await withWorkers((workers) => workers.write(open));
  expect(opened).toMatchObject({ firstSeq: 1, lastSeq: 9, podiumEventId: 9, status: "running" });
  expect(opened.deltas).toEqual([["m1", [1, 9]]]);
  expect(journaled()).toBe(9);
  const moved = await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      yield* workers.write(withRow(commitOf(10)));
      return yield* workers.write(open);
    }),
  );
  expect(moved).toMatchObject({ firstSeq: 1, lastSeq: 10, podiumEventId: 10 });
  expect(moved.deltas).toEqual([["m1", [1, 10]]]);
  expect(journaled()).toBe(0);
  // As a kill would have left it: in the session's database, and here still.
  cpSync(before, join(dataDir, "journal.db"));
  expect(journaled()).toBe(9);
  const all = await withWorkers((workers) =>
    Effect.gen(function* () {
      const read = pageOf(workers, { afterSeq: 0, throughSeq: 99, from: "oldest", limit: 99 });
      expect(yield* read).toEqual(range(1, 10));
      expect(yield* workers.write(open)).toMatchObject({ lastSeq: 10, podiumEventId: 10 });
      yield* workers.write(commitOf(11));
      const before = yield* read;
      yield* workers.write(withRow(commitOf(12)));
      return [before, yield* read];
    }),
  );
  expect(all).toEqual([range(1, 11), range(1, 12)]);
  expect(journaled()).toBe(0);
});

test("D1 a number that does not follow is refused, and takes nobody else down", async () => {
  await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      const other = { ...commitOf(1), sessionId: "sess_2" };
      yield* workers.write({ ...open, sessionId: "sess_2" });
      const [bad, good] = yield* Effect.all(
        [Effect.exit(workers.write(commitOf(2))), Effect.exit(workers.write(other))],
        { concurrency: 2 },
      );
      expect(bad._tag).toBe("Failure");
      expect(good._tag).toBe("Success");
    }),
  );
});

test("D1 D2 a journal of the shape before, with events in it, becomes one of today's and loses none", async () => {
  const before = new Database(join(dataDir, "journal.db"), { create: true });
  before.run(`CREATE TABLE events (
    session_id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, turn_id TEXT, ts INTEGER NOT NULL,
    frame TEXT NOT NULL, delta_of TEXT, status TEXT NOT NULL, podium_event_id INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)) WITHOUT ROWID`);
  before.run("PRAGMA user_version = 1");
  const insert = before.query(
    "INSERT INTO events VALUES (?, ?, 'x', NULL, 1, ?, NULL, 'running', ?)",
  );
  for (const seq of range(1, 4)) {
    for (const id of ["sess_2", sessionId]) insert.run(id, seq, `{"seq":${seq}}`, seq + 10);
  }
  before.close();
  await withWorkers((workers) =>
    Effect.gen(function* () {
      expect(yield* workers.write(open)).toMatchObject({ lastSeq: 4, podiumEventId: 14 });
      yield* workers.write(commitOf(5));
      const bounds = { afterSeq: 0, throughSeq: 99, limit: 99, from: "oldest" } as const;
      expect(yield* pageOf(workers, bounds)).toEqual(range(1, 5));
      const other = yield* workers.write({ ...open, sessionId: "sess_2" });
      expect(other).toMatchObject({ lastSeq: 4, podiumEventId: 14 });
      yield* workers.write({ ...withRow(commitOf(5)), sessionId: "sess_2" });
    }),
  );
  expect(journaled()).toBe(5);
});

test("D1 D2 events that need no fiber are kept like the others, in the order they were given in", async () => {
  const told = await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      yield* workers.write({ ...open, sessionId: "sess_2" });
      const plainly = (commit: Commit) =>
        new Promise<string | number | null>((resolve) => {
          workers.commit(commit, undefined, (error, place) => resolve(error?.reason ?? place));
        });
      const strange = commitOf(1).events.map((one) => ({ ...one, turnId: "a\nb" }));
      const answers = yield* Effect.promise(() =>
        Promise.all([
          plainly(commitOf(1, 2)),
          plainly({ ...commitOf(1), sessionId: "sess_2", events: strange }),
          plainly({ ...commitOf(7), sessionId: "sess_3" }),
        ]),
      );
      yield* Effect.promise(() => plainly(commitOf(3)));
      const bounds = { afterSeq: 0, throughSeq: 99, limit: 99, from: "oldest" } as const;
      expect(yield* pageOf(workers, bounds)).toEqual(range(1, 3));
      yield* Effect.promise(() => plainly(withRow(commitOf(4))));
      expect(yield* pageOf(workers, bounds)).toEqual(range(1, 4));
      return answers;
    }),
  );
  expect(told.slice(0, 2).map((place) => typeof place)).toEqual(["number", "number"]);
  expect(told[2]).toContain("seq 7 does not follow 0");
});

test("what was written moves into the database between commits, before SQLite would do it within one", () => {
  const journal = new EventJournal(dataDir, 0);
  journal.upToDate(sessionId, { lastSeq: 0, firstSeq: 0 } as SessionSnapshot);
  const bytesOf = (suffix = "") => statSync(journalPath(dataDir) + suffix).size;
  const frame = "x".repeat(4_000);
  // SQLite moves a thousand pages at a time, 4 MB; this is five times as much.
  for (let seq = 1; seq <= 5_000; seq += 10) {
    const before = bytesOf();
    const events = range(seq, seq + 9).map((one) => ({ ...event(one), frame }));
    journal.append([{ ...commitOf(), events }], 0);
    expect(bytesOf()).toBe(before);
    journal.checkpointIfDue();
  }
  expect(bytesOf()).toBeGreaterThan(18_000_000);
  expect(bytesOf("-wal")).toBeLessThan(2_000_000);
  journal.close();
});

test("a deleted session leaves nothing in the journal", async () => {
  await withWorkers((workers) =>
    Effect.gen(function* () {
      yield* workers.write(open);
      yield* workers.write(commitOf(1, 2));
      yield* workers.write({ kind: "drop_session", sessionId });
    }),
  );
  expect(journaled()).toBe(0);
  expect(existsSync(join(dataDir, "sessions", sessionId))).toBe(false);
});

test("D1 D2 what clients saw is there after SIGKILL, with nobody to ask for it again; and it moves with its tenant", async () => {
  const world = new World();
  try {
    let gateway = await world.start();
    const first = await TestClient.as(gateway.port, TOKENS.ann);
    const ids = await Promise.all(range(1, 5).map(() => first.newSession()));
    for (const id of ids) await first.ask({ type: "run_turn", sessionId: id, text: "stream 3000" });
    await first.until(() => ids.every((id) => first.log(id).length > 12));
    await Promise.all([gateway.kill(), world.podium.stop()]);
    const seen = new Map(ids.map((id) => [id, first.log(id)]));

    gateway = await world.start();
    const second = await TestClient.as(gateway.port, TOKENS.ann);
    const kept = new Map<string, readonly SessionEvent[]>();
    for (const id of ids) kept.set(id, await second.storedLog(id));
    for (const id of ids) {
      const log = kept.get(id) ?? [];
      expect(log.slice(0, seen.get(id)?.length)).toEqual(seen.get(id) ?? []);
      expect(log.map(({ seq }) => seq)).toEqual(range(1, log.length));
    }
    await gateway.terminate();
    const folder = join(dataDir, "out");
    exportTenant(world.dataDir, "acme", folder);
    for (const id of ids) {
      const file = new Database(join(folder, "sessions", id, "session.db"), { readonly: true });
      const rows = file.query<{ frame: string }, []>("SELECT frame FROM events ORDER BY seq").all();
      file.close();
      const log = kept.get(id) ?? [];
      expect(rows.slice(0, log.length).map(({ frame }) => JSON.parse(frame))).toEqual([...log]);
    }
  } finally {
    await world.stop();
  }
});
