import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory } from "../../test/process.ts";
import { Luck } from "../../test/sim/random.ts";
import { DataDirectoryUnusable, RaftLog } from "./log.ts";
import { foundedBy } from "./membership.ts";
import { type LogEntry, nodeId } from "./types.ts";

const n1 = nodeId("n1");
const COMMITS = 24;
/** Of the file that a write-ahead log begins with. */
const WAL_HEADER_BYTES = 32;

const entry = (index: number): LogEntry => ({
  index,
  term: 1,
  kind: "command",
  timeMs: 1_000 + index,
  payload: `payload-${index}-${"x".repeat((index * 37) % 900)}`,
});

/** What the disk held after each commit: the database and its write-ahead log. */
interface Photo {
  readonly db: Buffer;
  readonly wal: Buffer;
}

/** One log and its disk after each of its commits, as if the power had been cut there. */
function photos(folder: string): readonly Photo[] {
  const path = join(folder, "raft.db");
  const log = new RaftLog(path);
  log.claim({ clusterId: "c", nodeId: n1, incarnation: "i" }, foundedBy([n1], "i"));
  const taken = Array.from({ length: COMMITS }, (_, offset): Photo => {
    log.save({ term: 1, votedFor: n1, commitIndex: offset }, [entry(offset + 1)]);
    return { db: readFileSync(path), wal: readFileSync(`${path}-wal`) };
  });
  log.close();
  return taken;
}

/** The entries that a start from this disk finds, or "refused"; what is there must be right. */
function start(folder: string, { db, wal }: Photo): number | "refused" {
  const path = join(folder, "again", "raft.db");
  rmSync(join(folder, "again"), { recursive: true, force: true });
  mkdirSync(join(folder, "again"));
  writeFileSync(path, db);
  writeFileSync(`${path}-wal`, wal);
  let log: RaftLog | null = null;
  try {
    log = new RaftLog(path);
    const { lastIndex } = log.restore().log;
    const entries = lastIndex === 0 ? [] : log.read(1, lastIndex);
    expect(entries).toEqual(Array.from({ length: lastIndex }, (_, offset) => entry(offset + 1)));
    return lastIndex;
  } catch (error) {
    if (!(error instanceof DataDirectoryUnusable)) throw error;
    expect(readFileSync(`${path}-wal`).equals(wal)).toBe(true);
    return "refused";
  } finally {
    log?.close();
  }
}

function flipped(bytes: Buffer, luck: Luck, from: number, to: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(luck.between(from, to));
  copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(luck.next() * 8));
  return copy;
}

describe("a log on a disk that fails (C1, pitfall 4)", () => {
  test("starts with everything that was synced, after a cut at any commit", async () => {
    await inTemporaryDirectory(async (folder) => {
      for (const [offset, photo] of photos(folder).entries()) {
        expect(start(folder, photo)).toBe(offset + 1);
      }
    });
  }, 60_000);

  test("a bit that flips below the last commit of the write-ahead log refuses the start, and nothing is cut", async () => {
    await inTemporaryDirectory(async (folder) => {
      const luck = new Luck(4);
      const taken = photos(folder);
      const [before, last] = taken.slice(-2);
      if (before === undefined || last === undefined) throw new Error("there are photos");
      for (let turn = 0; turn < 200; turn += 1) {
        const wal = flipped(last.wal, luck, WAL_HEADER_BYTES, before.wal.length);
        expect(start(folder, { ...last, wal })).toBe("refused");
      }
      for (let turn = 0; turn < 50; turn += 1) {
        const wal = flipped(last.wal, luck, 0, WAL_HEADER_BYTES);
        expect(start(folder, { ...last, wal })).toBe("refused");
      }
    });
  }, 60_000);

  test("a commit that was torn before its sync ended is taken back, and the start goes well", async () => {
    await inTemporaryDirectory(async (folder) => {
      const luck = new Luck(5);
      const taken = photos(folder);
      for (let turn = 0; turn < 200; turn += 1) {
        const at = 1 + Math.floor(luck.next() * (COMMITS - 1));
        const [before, photo] = taken.slice(at - 1, at + 1);
        if (before === undefined || photo === undefined) throw new Error("there are photos");
        const wal = torn(before.wal, photo.wal, luck);
        // What did not arrive may have been nothing but zeros.
        expect(start(folder, { ...photo, wal })).toBe(wal.equals(photo.wal) ? at + 1 : at);
      }
    });
  }, 60_000);

  test("a bit that flips in the database itself changes nothing that is read, or refuses the start", async () => {
    await inTemporaryDirectory(async (folder) => {
      photos(folder);
      // Closed: everything is in the database now.
      const db = readFileSync(join(folder, "raft.db"));
      expect(db.length).toBeGreaterThan(4_096 * 4);
      const luck = new Luck(6);
      const seen = { whole: 0, refused: 0 };
      for (let turn = 0; turn < 400; turn += 1) {
        const found = start(folder, {
          db: flipped(db, luck, 0, db.length),
          wal: Buffer.alloc(0),
        });
        expect([COMMITS, "refused"]).toContain(found);
        seen[found === "refused" ? "refused" : "whole"] += 1;
      }
      expect(seen.refused).toBeGreaterThan(40);
    });
  }, 60_000);
});

/** Of the last commit, the file has been made longer, and some sectors have arrived. */
function torn(before: Buffer, after: Buffer, luck: Luck): Buffer {
  if (luck.chance(0.3)) {
    return after.subarray(0, Math.floor(luck.between(before.length, after.length)));
  }
  const copy = Buffer.from(after);
  const sectors = Math.ceil((after.length - before.length) / 512);
  const lost = Math.floor(luck.next() * sectors);
  for (let sector = 0; sector < sectors; sector += 1) {
    if (sector !== lost && luck.chance(0.5)) continue;
    const start = before.length + sector * 512;
    copy.fill(0, start, Math.min(start + 512, after.length));
  }
  return copy;
}
