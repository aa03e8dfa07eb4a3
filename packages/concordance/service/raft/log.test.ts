import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { inTemporaryDirectory } from "../../test/process.ts";
import { DataDirectoryUnusable, openDatabase, RaftLog } from "./log.ts";
import { type LogEntry, nodeId } from "./types.ts";

const entry = (index: number, term: number, payload = "p"): LogEntry => ({
  index,
  term,
  kind: "command",
  timeMs: 1_000 + index,
  payload,
});
const hard = (term: number, commitIndex: number) => ({ term, votedFor: nodeId("n1"), commitIndex });

/** Three entries on disk, closed; `damage` may then do its worst with plain SQL. */
async function withDamage(damage: string, check: (path: string) => void): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const path = join(folder, "raft.db");
    const log = new RaftLog(path);
    log.save(hard(1, 2), [entry(1, 1), entry(2, 1), entry(3, 1)]);
    log.close();
    const raw = new Database(path);
    raw.run(damage);
    raw.close();
    const before = countOf(path);
    check(path);
    expect(countOf(path)).toBe(before);
  });
}
function countOf(path: string): number | undefined {
  const raw = new Database(path);
  const row = raw.query<{ n: number }, []>("SELECT count(*) AS n FROM entries").get();
  raw.close();
  return row?.n;
}

const restoring = (path: string) => () => {
  const log = new RaftLog(path);
  try {
    return log.restore();
  } finally {
    log.close();
  }
};

describe("the durable log (C1)", () => {
  test("C1: gives back what was saved, with a conflicting tail replaced", async () => {
    await inTemporaryDirectory(async (folder) => {
      const path = join(folder, "raft.db");
      const log = new RaftLog(path);
      log.save(hard(1, 0), [entry(1, 1), entry(2, 1), entry(3, 1)]);
      log.save(hard(2, 1), [entry(2, 2, "näh \u{1f600} \u0000")]);
      log.close();
      const again = new RaftLog(path);
      expect(again.restore()).toEqual({
        hardState: hard(2, 1),
        log: {
          baseIndex: 0,
          baseTerm: 0,
          spans: [
            { term: 1, firstIndex: 1 },
            { term: 2, firstIndex: 2 },
          ],
          lastIndex: 2,
        },
        lastTimeMs: 1_002,
        memberships: [{ index: 0, membership: { members: [], removed: [] } }],
      });
      expect(again.read(1, 2)).toEqual([entry(1, 1), entry(2, 2, "näh \u{1f600} \u0000")]);
      again.close();
    });
  });

  test("pitfall 1: term, vote and entries are one transaction", async () => {
    await inTemporaryDirectory(async (folder) => {
      const path = join(folder, "raft.db");
      const log = new RaftLog(path);
      log.save(hard(1, 0), [entry(1, 1)]);
      const unwritable = { ...entry(2, 2), term: null } as unknown as LogEntry;
      expect(() => log.save(hard(2, 1), [unwritable])).toThrow();
      expect(log.restore()).toMatchObject({ hardState: hard(1, 0), log: { lastIndex: 1 } });
      log.close();
    });
  });

  const damages: readonly (readonly [string, string, string])[] = [
    ["a changed payload", "UPDATE entries SET payload = 'q' WHERE idx = 2", "entry 2 fails"],
    ["a changed last entry", "UPDATE entries SET payload = 'q' WHERE idx = 3", "entry 3 fails"],
    ["a changed term", "UPDATE entries SET term = 2 WHERE idx = 3", "entry 3 fails"],
    ["a hole", "DELETE FROM entries WHERE idx = 2", "entry 2 is missing"],
    ["a missing committed tail", "DELETE FROM entries WHERE idx >= 2", "committed was 2"],
    ["a changed vote", "UPDATE hard_state SET voted_for = 'n2'", "the hard state fails"],
  ];
  for (const [what, sql, expected] of damages) {
    test(`pitfall 4: ${what} stops the node; nothing is cut`, async () => {
      await withDamage(sql, (path) => {
        expect(restoring(path)).toThrow(DataDirectoryUnusable);
        expect(restoring(path)).toThrow(expected);
      });
    });
  }

  test("C1: every commit is synced, in WAL mode", async () => {
    await inTemporaryDirectory(async (folder) => {
      const db = openDatabase(join(folder, "probe.db"), {
        synchronous: "FULL",
        exclusive: true,
        cacheKib: 1_024,
        ddl: "CREATE TABLE t (x)",
      });
      expect(db.query("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
      expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
      db.close();
    });
  });

  test("a file that is no database is refused with its path", async () => {
    await inTemporaryDirectory(async (folder) => {
      const path = join(folder, "raft.db");
      await Bun.write(path, "this is not SQLite, whatever the name says. ".repeat(50));
      expect(() => new RaftLog(path)).toThrow(`cannot open ${path}`);
    });
  });
});
