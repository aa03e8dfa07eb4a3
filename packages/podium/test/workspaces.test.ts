/** The workspace store against a dumb twin that keeps every iteration as a map, over reopening and torn transactions. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiError } from "@concert/service-kit";
import fc from "fast-check";
import { Store } from "../src/store/store.ts";
import { WORKSPACE_LIMITS } from "../src/store/workspaces.ts";
import { contentOf } from "./support/endless-writer.ts";

setDefaultTimeout(60_000);

const WRITER = new URL("./support/endless-writer.ts", import.meta.url).pathname;
const OWNERS = [
  { instanceId: "i0", tenantId: "acme" },
  { instanceId: "i1", tenantId: "acme" },
  { instanceId: "i2", tenantId: "other" },
] as const;
type Owner = (typeof OWNERS)[number];

let dir: string;
let store: Store;
const open = () => Store.open(dir, () => "2026-01-01T00:00:00.000Z");

function begin(): void {
  dir = mkdtempSync(join(tmpdir(), "podium-"));
  store = open();
  store.write(() => {
    for (const owner of OWNERS) {
      const instance = { deploymentId: "echo:builtin", agentType: "echo", config: {} };
      store.instances.insert({ ...owner, ...instance, status: "running" }, store.now());
    }
  });
}

function end(): void {
  store.close();
  rmSync(dir, { recursive: true });
}

beforeEach(begin);
afterEach(end);

const bytes = (text: string) => new TextEncoder().encode(text);
const write = (owner: Owner, path: string, text: string, atMs = 1) =>
  store.write(() => store.workspaces.write(owner, path, bytes(text), atMs));
const textOf = (content: Uint8Array) => new TextDecoder().decode(content);

/** One workspace: its files after each iteration. Nothing clever. */
class Twin {
  states: ReadonlyMap<string, string>[] = [new Map()];
  history: { path: string; iteration: number; timestamp: number; text: string | null }[] = [];

  get now(): ReadonlyMap<string, string> {
    return this.states.at(-1) ?? new Map();
  }

  set(path: string, text: string | null, timestamp: number): number {
    const next = new Map(this.now);
    if (text === null) next.delete(path);
    else next.set(path, text);
    this.states.push(next);
    const iteration = this.states.length - 1;
    this.history.push({ path, iteration, timestamp, text });
    return iteration;
  }

  /** Whether the name is a folder, or lies below a file. */
  isTaken(path: string): boolean {
    return [...this.now.keys()].some(
      (one) => one.startsWith(`${path}/`) || path.startsWith(`${one}/`),
    );
  }
}

const PATHS = ["a", "a/b", "a/b/c", "b", "ab", "é"] as const;
const operation = fc.record({
  kind: fc.constantFrom("write", "write", "write", "remove", "torn", "reopen"),
  owner: fc.constantFrom(...OWNERS),
  path: fc.constantFrom(...PATHS),
  text: fc.constantFrom("", "x", "y", "a longer text", "\0"),
});

test("any history of writes, deletions, torn transactions and restarts reads as the twin's (P14)", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const twins = new Map(OWNERS.map(({ instanceId }) => [instanceId as string, new Twin()]));
      end();
      begin();
      for (const [at, { kind, owner, path, text }] of operations.entries()) {
        const twin = twins.get(owner.instanceId);
        if (twin === undefined) throw new Error("every owner has a twin");
        if (kind === "write") {
          const isKnown = twin.now.has(path);
          if (!isKnown && twin.isTaken(path)) {
            expect(() => write(owner, path, text, at)).toThrow(ApiError);
            continue;
          }
          const change = isKnown ? "modified" : "created";
          const iteration = twin.set(path, text, at);
          expect(write(owner, path, text, at)).toEqual({ path, change, iteration });
        } else if (kind === "remove") {
          const remove = () => store.write(() => store.workspaces.remove(owner, path, at));
          if (!twin.now.has(path)) expect(remove).toThrow(ApiError);
          else expect(remove()).toMatchObject({ iteration: twin.set(path, null, at) });
        } else if (kind === "torn") {
          const torn = () =>
            store.write(() => {
              if (!twin.isTaken(path)) store.workspaces.write(owner, path, bytes(text), at);
              throw new Error("torn");
            });
          expect(torn).toThrow("torn");
        } else {
          store.close();
          store = open();
        }
      }
      for (const owner of OWNERS) expectSame(owner, twins.get(owner.instanceId) ?? new Twin());
    }),
    { numRuns: 60 },
  );
});

function expectSame(owner: Owner, twin: Twin): void {
  const { workspaces } = store;
  const { instanceId } = owner;
  expect(new Map(workspaces.files(instanceId).map(({ path, size }) => [path, size]))).toEqual(
    new Map([...twin.now].map(([path, text]) => [path, bytes(text).length])),
  );
  expect(workspaces.head(instanceId)).toBe(twin.states.length - 1);
  for (const path of PATHS) {
    const told = twin.history.filter((one) => one.path === path);
    if (told.length === 0) expect(() => workspaces.history(instanceId, path)).toThrow(ApiError);
    else {
      expect(workspaces.history(instanceId, path)).toEqual(
        told.map(({ iteration, timestamp, text }) =>
          text === null
            ? { iteration, timestamp, size: 0, hash: "", deleted: true as const }
            : {
                iteration,
                timestamp,
                size: bytes(text).length,
                hash: createHash("sha256").update(text).digest("hex"),
              },
        ),
      );
    }
    for (const [n, state] of twin.states.entries()) {
      const text = state.get(path);
      if (text === undefined) expect(() => workspaces.at(owner, path, n)).toThrow(ApiError);
      else expect(textOf(workspaces.at(owner, path, n).content)).toBe(text);
    }
    expect(() => workspaces.at(owner, path, twin.states.length)).toThrow(ApiError);
  }
}

test("what is too large, too many or too often is refused by name, and changes nothing", () => {
  const [owner] = OWNERS;
  const large = "x".repeat(WORKSPACE_LIMITS.fileBytes + 1);
  expect(() => write(owner, "big", large)).toThrow(
    expect.objectContaining({ code: "file_too_large" }),
  );
  expect(store.workspaces.head("i0")).toBe(0);
  store.write(() => {
    for (let n = 0; n < WORKSPACE_LIMITS.files; n += 1) {
      store.workspaces.write(owner, `f${n}`, bytes("x"), 1);
    }
  });
  const refusal = expect.objectContaining({ code: "workspace_full" });
  expect(() => write(owner, "one more", "x")).toThrow(refusal);
  expect(write(owner, "f0", "still changed")).toMatchObject({ change: "modified" });
  expect(write({ instanceId: "i1", tenantId: "acme" }, "elsewhere", "x")).toMatchObject({
    change: "created",
  });
  const largest = bytes("x".repeat(WORKSPACE_LIMITS.fileBytes));
  const fill = () =>
    store.write(() => {
      for (let n = 0; n <= WORKSPACE_LIMITS.keptBytes / largest.length; n += 1) {
        store.workspaces.write(owner, "f1", largest, 1);
      }
    });
  expect(fill).toThrow(refusal);
  expect(store.workspaces.history("i0", "f1")).toHaveLength(1);
});

test("tenants share no content: the same bytes are kept once for each", () => {
  for (const owner of OWNERS) write(owner, "same", "the same words");
  write(OWNERS[0], "again", "the same words");
  store.close();
  const db = new Database(join(dir, "podium.db"));
  const rows = db.query("SELECT tenant_id FROM objects ORDER BY tenant_id").all();
  expect(rows).toEqual([{ tenant_id: "acme" }, { tenant_id: "other" }]);
  db.run("UPDATE objects SET content = CAST('other words' AS BLOB) WHERE tenant_id = 'acme'");
  db.close();
  store = open();
  expect(() => store.workspaces.read(OWNERS[0], "same")).toThrow("P14");
  expect(textOf(store.workspaces.read(OWNERS[2], "same").content)).toBe("the same words");
});

test("killed in mid-write, again and again: each iteration is there whole or not at all, and none that was told is lost (P14)", async () => {
  store.close();
  let told = 0;
  for (const writes of [1, 3, 7, 2, 5]) {
    const writer = Bun.spawn([process.execPath, WRITER, dir], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const heard = told + writes;
    for await (const line of linesOf(writer.stdout)) {
      told = Number(line);
      if (told >= heard) break;
    }
    writer.kill("SIGKILL");
    await writer.exited;
    store = open();
    const head = store.workspaces.head("i0");
    expect(head).toBeGreaterThanOrEqual(told);
    for (let n = 1; n <= head; n += 1) {
      expect(textOf(store.workspaces.at(OWNERS[0], "log.txt", n).content)).toBe(contentOf(n));
    }
    expect(store.workspaces.history("i0", "log.txt").map(({ iteration }) => iteration)).toEqual(
      Array.from({ length: head }, (_, index) => index + 1),
    );
    told = head;
    store.close();
  }
  store = open();
});

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
