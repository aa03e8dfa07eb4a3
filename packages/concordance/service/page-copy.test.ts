/** Copies of a state that goes on being written are of one moment, whole, and without what was deleted. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredEntry } from "../shared/store.ts";
import { type Copied, CopyJob } from "./copy-job.ts";
import { StateFile } from "./state-file.ts";

const NAMESPACE = "tenant:acme/settings";
const ROWS = 400;

async function withState(work: (state: StateFile, folder: string) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "concordance-copy-"));
  const state = new StateFile(join(folder, "state.db"), "cluster");
  try {
    await work(state, folder);
  } finally {
    state.close();
    rmSync(folder, { recursive: true });
  }
}

const entry = (nth: number, revision: number, value: string): StoredEntry => ({
  namespace: NAMESPACE,
  key: `k${nth}`,
  value: JSON.stringify(value),
  version: revision,
  revision,
  updatedBy: "test",
  updatedAt: revision,
  expiresAt: null,
});

/** All rows in one transaction, all of one revision. */
function write({ store }: StateFile, revision: number, textOf: (nth: number) => string): void {
  store.transact(() => {
    for (let nth = 0; nth < ROWS; nth += 1) {
      store.put(entry(nth, revision, textOf(nth)), store.held(NAMESPACE, `k${nth}`));
    }
    return { ...store.position, appliedIndex: revision, revision, timeMs: revision };
  });
  store.commit();
}

/** The finished copy, given back; meanwhile `busy` is called again and again. */
async function copy(state: StateFile, path: string, busy: () => void = () => undefined) {
  const { handle, giveBack } = state.lend();
  const job = new CopyJob({ statePath: state.path, handle, copyPath: path });
  let made: Copied | null = null;
  const done = job.done.finally(giveBack).then((copied) => {
    made = copied;
    return copied;
  });
  while (made === null) {
    busy();
    await Promise.race([done, Bun.sleep(1)]);
  }
  return { job, made: await done };
}

function contentOf(path: string) {
  const db = new Database(path, { readonly: true, strict: true });
  const [check] = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
  const sql = "SELECT count(*) AS rows, min(revision) AS low, max(revision) AS high FROM kv";
  const found = db.query<{ rows: number; low: number; high: number }, []>(sql).get();
  db.close();
  return { check: check?.integrity_check, ...found };
}

test("copies made while every row changes again and again are each of one revision, and whole", async () => {
  await withState(async (state, folder) => {
    let revision = 0;
    const next = () => {
      revision += 1;
      write(state, revision, (nth) => `${revision}-${"x".repeat((nth * 37 + revision) % 3_000)}`);
    };
    next();
    for (let round = 0; round < 12; round += 1) {
      const path = join(folder, `copy-${round}`);
      const before = revision;
      const { made } = await copy(state, path, next);
      expect(made.revision).toBeGreaterThanOrEqual(before);
      const { revision: low, appliedIndex } = made;
      expect(appliedIndex).toBe(low);
      expect(contentOf(path)).toEqual({ check: "ok", rows: ROWS, low, high: low });
      const bytes = readFileSync(path);
      expect(bytes.length).toBe(made.bytes);
      expect(new Bun.CryptoHasher("sha256").update(bytes).digest("hex")).toBe(made.sha256);
    }
    expect(revision).toBeGreaterThan(12);
  });
}, 60_000);

test("its bytes can be read while it is made, to the last", async () => {
  await withState(async (state, folder) => {
    write(state, 1, (nth) => `${nth}`.repeat(2_000));
    const { handle, giveBack } = state.lend();
    const path = join(folder, "copy");
    const job = new CopyJob({ statePath: state.path, handle, copyPath: path });
    const hasher = new Bun.CryptoHasher("sha256");
    for await (const piece of job.bytes()) hasher.update(piece);
    const made = await job.done.finally(giveBack);
    expect(hasher.digest("hex")).toBe(made.sha256);
    expect(made.bytes).toBeGreaterThan(1_048_576);
  });
});

test("a reader of another program, who holds an older moment, does not prevent a copy", async () => {
  await withState(async (state, folder) => {
    write(state, 1, () => "a");
    const other = new Database(state.path, { readonly: true, strict: true });
    other.run("BEGIN");
    other.query("SELECT count(*) FROM kv").get();
    write(state, 2, () => "b");
    const path = join(folder, "copy");
    const { made } = await copy(state, path);
    expect(made.revision).toBe(2);
    expect(contentOf(path)).toEqual({ check: "ok", rows: ROWS, low: 2, high: 2 });
    other.close();
  });
});

test("what was deleted does not come along", async () => {
  await withState(async (state, folder) => {
    write(state, 1, (nth) => `betrayal-${nth}-${"y".repeat(500)}`);
    expect((await copy(state, join(folder, "before"))).made.revision).toBe(1);
    expect(readFileSync(join(folder, "before")).includes("betrayal")).toBe(true);
    const { store } = state;
    store.transact(() => {
      for (let nth = 0; nth < ROWS; nth += 1) {
        // One in ten stays, so that pages are freed, joined and left half full.
        if (nth % 10 > 0) store.remove(NAMESPACE, `k${nth}`, 1, 2);
        else store.put(entry(nth, 2, "harmless"), store.held(NAMESPACE, `k${nth}`));
      }
      return { ...store.position, appliedIndex: 2, revision: 2 };
    });
    store.commit();
    const path = join(folder, "after");
    const { made } = await copy(state, path);
    expect(contentOf(path)).toMatchObject({ check: "ok", rows: ROWS / 10 });
    expect(made.bytes).toBe(readFileSync(path).length);
    expect(readFileSync(path).includes("betrayal")).toBe(false);
  });
});

/** What keeps another program's SQLite from thinking itself alone, and taking the write-ahead log away. */
const locksOn = (path: string) => {
  const inode = statSync(path).ino;
  const lines = readFileSync("/proc/locks", "utf8").split("\n");
  return lines.filter((line) => line.includes(`:${inode} `)).length;
};

test.if(process.platform === "linux")(
  "a copy leaves the locks on the state as they are",
  async () => {
    await withState(async (state, folder) => {
      write(state, 1, () => "a");
      const before = locksOn(state.path);
      expect(before).toBeGreaterThan(0);
      await copy(state, join(folder, "copy"));
      expect(locksOn(state.path)).toBe(before);
    });
  },
);

test("a copy that cannot be made fails whoever waits for it, and the state goes on", async () => {
  await withState(async (state, folder) => {
    write(state, 1, () => "a");
    const path = join(folder, "no", "such", "folder");
    const { handle, giveBack } = state.lend();
    const job = new CopyJob({ statePath: state.path, handle, copyPath: path });
    await expect(job.done).rejects.toThrow("ENOENT");
    await expect(job.begun.then(() => job.bytes().next())).rejects.toThrow("ENOENT");
    giveBack();
    write(state, 2, () => "b");
    expect((await copy(state, join(folder, "copy"))).made.revision).toBe(2);
    expect(readdirSync(folder).filter((name) => name.startsWith("copy"))).toEqual(["copy"]);
  });
});
