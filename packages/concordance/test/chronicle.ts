/**
 * Owns clients of a real cluster that write down what they asked for and what they were told, watchers that
 * do the same, and judging it all against the history that the members agree on in the end.
 */
import { expect } from "bun:test";
import type { ConcordanceClient } from "../shared/client.ts";
import { ConcordanceError } from "../shared/error.ts";
import type { ChangeEvent } from "../shared/types.ts";
import type { Watch } from "../shared/watch-client.ts";
import { eventually } from "./process.ts";
import { type Conflict, type Operation, violationOf } from "./sim/linearizability.ts";
import { historyViolation, type WatchedChange, watchViolation } from "./sim/watch-checker.ts";
import type { Trio } from "./trio.ts";

const NAMESPACE = "tenant:acme/settings";
const KEYS = ["x", "y"] as const;
const WRITERS = 4;
const WATCHERS = 2;
const PAUSE_MS = 2;

interface WriteSeen {
  readonly key: string;
  readonly value: string;
  readonly cas: number | null;
  readonly calledMs: number;
  readonly answeredMs: number;
  readonly answer: { readonly version: number; readonly revision: number } | Conflict | null;
}
interface ReadSeen {
  readonly calledMs: number;
  readonly answeredMs: number;
  readonly revision: number;
  readonly found: ReadonlyMap<string, { readonly version: number; readonly value: string }>;
}

export class Chronicle {
  readonly #trio: Trio;
  readonly #writes: WriteSeen[] = [];
  readonly #reads: ReadSeen[] = [];
  readonly #told: WatchedChange[][] = [];
  readonly #watches: Watch[] = [];
  readonly #running: Promise<void>[];
  #over = false;

  constructor(trio: Trio) {
    this.#trio = trio;
    for (let watcher = 0; watcher < WATCHERS; watcher += 1) this.#watch(trio.client());
    this.#running = Array.from({ length: WRITERS }, (_, writer) =>
      this.#operate(trio.client(), writer),
    );
  }

  get acknowledged(): number {
    return this.#writes.filter(({ answer }) => answer !== null && "version" in answer).length;
  }

  /** Waits until so many more writes were acknowledged: whatever happened, the cluster goes on. */
  async progress(writes: number): Promise<void> {
    const before = this.acknowledged;
    for (let attempt = 0; attempt < 6_000; attempt += 1) {
      if (this.acknowledged >= before + writes) return;
      await Bun.sleep(10);
    }
    throw new Error(`only ${this.acknowledged - before} of ${writes} writes in a minute`);
  }

  /** Everything stops, and everybody catches up: then this is what must be true. */
  async judge(): Promise<void> {
    await this.stop();
    const history = await this.#agreedHistory();
    expect(historyViolation(history)).toBeNull();
    const revision = history.at(-1)?.revision ?? 0;
    const last = history.findLast(isOurs)?.revision;
    for (const watch of this.#watches) {
      await eventually("the watcher is told everything", () => watch.revision === last);
      watch.close();
    }
    for (const changes of this.#told) {
      const stretch = { fromRevision: 0, changes, throughRevision: revision };
      expect(watchViolation(history, stretch, isOurs)).toBeNull();
    }
    this.#assertNothingLost(history.filter(isOurs));
    for (const key of KEYS) {
      expect({ key, violation: violationOf(this.#ofKey(key)) }).toEqual({ key, violation: null });
    }
    expect(violationOf(this.#ofStore(history))).toBeNull();
    expect(this.acknowledged).toBeGreaterThan(100);
    expect(this.#reads.length).toBeGreaterThan(30);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  #watch(client: ConcordanceClient): void {
    const told: WatchedChange[] = [];
    this.#told.push(told);
    const watch = client.watch(NAMESPACE, {
      fromRevision: 0,
      onChange: (change) => told.push(watched(change)),
      onReset: () => Promise.reject(new Error("history must not be lost")),
    });
    this.#watches.push(watch);
  }

  async #operate(client: ConcordanceClient, writer: number): Promise<void> {
    for (let turn = 0; !this.#over; turn += 1) {
      if (turn % 3 === 2) await this.#read(client);
      else await this.#write(client, KEYS[turn % KEYS.length] ?? "x", `${writer}-${turn}`);
      await Bun.sleep(PAUSE_MS);
    }
  }

  async #read(client: ConcordanceClient): Promise<void> {
    const calledMs = performance.now();
    try {
      const { items, revision } = await client.list(NAMESPACE, { consistency: "linearizable" });
      const found = new Map(
        items.map(({ key, version, value }) => [key, { version, value: String(value) }]),
      );
      this.#reads.push({ calledMs, answeredMs: performance.now(), revision, found });
    } catch (error) {
      // A read without an answer says nothing.
      if (!(error instanceof ConcordanceError)) throw error;
    }
  }

  async #write(client: ConcordanceClient, key: string, value: string): Promise<void> {
    const known = this.#reads.at(-1)?.found.get(key)?.version ?? 0;
    const cas = value.endsWith("3") ? known : null;
    const calledMs = performance.now();
    const facts = { key, value, cas, calledMs };
    try {
      const options = cas === null ? {} : { cas };
      const { version, revision } = await client.set(NAMESPACE, key, value, options);
      const answer = { version, revision };
      this.#writes.push({ ...facts, answeredMs: performance.now(), answer });
    } catch (error) {
      if (!(error instanceof ConcordanceError)) throw error;
      const conflict = error.code === "cas_conflict";
      const answer = conflict ? (error.details as Conflict) : null;
      const answeredMs = conflict ? performance.now() : Infinity;
      this.#writes.push({ ...facts, answeredMs, answer });
    }
  }

  /** What all members hold in the end, which is the same. */
  async #agreedHistory(): Promise<readonly WatchedChange[]> {
    const { revision } = await this.#trio.client().list(NAMESPACE, { consistency: "linearizable" });
    const histories = await Promise.all(
      [...this.#trio.nodes.values()].map(async ({ client }) => {
        await client.list(NAMESPACE, { minRevision: revision });
        const { items } = await client.changes(0);
        const all: ChangeEvent[] = [...items];
        while ((all.at(-1)?.revision ?? revision) < revision) {
          const page = await client.changes(all.at(-1)?.revision ?? 0);
          all.push(...page.items);
        }
        return all.map(watched);
      }),
    );
    const [first = [], ...others] = histories;
    for (const other of others) expect(other).toEqual(first);
    return first;
  }

  /** Acknowledged means there, as told; and nothing is there that nobody asked for, or twice. */
  #assertNothingLost(history: readonly WatchedChange[]): void {
    const byValue = new Map<string, WatchedChange>();
    for (const change of history) {
      expect(byValue.has(change.value ?? "")).toBe(false);
      byValue.set(change.value ?? "", change);
    }
    const lost = this.#writes.filter(({ key, value, answer }) => {
      const change = byValue.get(JSON.stringify(value));
      if (answer === null) return false;
      if (!("version" in answer)) return change !== undefined;
      const { version, revision } = answer;
      return change?.key !== key || change.version !== version || change.revision !== revision;
    });
    expect(lost).toEqual([]);
    const asked = new Set(this.#writes.map(({ value }) => JSON.stringify(value)));
    expect([...byValue.keys()].filter((value) => !asked.has(value))).toEqual([]);
  }

  #ofKey(key: string): readonly Operation[] {
    const reads = this.#reads.map(({ calledMs, answeredMs, found }): Operation => {
      const { version, value } = found.get(key) ?? { version: 0, value: "" };
      return { kind: "read", calledMs, answeredMs, version, value };
    });
    const writes = this.#writes
      .filter((one) => one.key === key)
      .map(({ calledMs, answeredMs, value, cas, answer }): Operation => {
        const told = answer !== null && "version" in answer ? answer.version : answer;
        return { kind: "write", calledMs, answeredMs, value, cas, answer: told };
      });
    return [...reads, ...writes];
  }

  /** The whole store as one register whose versions are revisions: order across keys counts as well. */
  #ofStore(history: readonly WatchedChange[]): readonly Operation[] {
    const values = new Map(
      history.map((change) => {
        const { revision, value } = change;
        return [revision, isOurs(change) ? parsed(value) : `at ${revision}`];
      }),
    );
    const reads = this.#reads.map(({ calledMs, answeredMs, revision }): Operation => {
      const value = values.get(revision) ?? "";
      return { kind: "read", calledMs, answeredMs, version: revision, value };
    });
    const writes = this.#writes.flatMap(({ calledMs, answeredMs, value, answer }): Operation[] => {
      const facts = { kind: "write" as const, calledMs, answeredMs, value, cas: null };
      if (answer === null) return [{ ...facts, answer }];
      return "version" in answer ? [{ ...facts, answer: answer.revision }] : [];
    });
    // What was written elsewhere takes revisions too.
    const others = history
      .filter((change) => !isOurs(change))
      .map(({ revision }): Operation => {
        const times = { calledMs: 0, answeredMs: Infinity };
        return { kind: "write", ...times, value: `at ${revision}`, cas: null, answer: revision };
      });
    return [...reads, ...writes, ...others];
  }
}

/** A test may write elsewhere as well. */
const isOurs = ({ namespace }: WatchedChange) => namespace === NAMESPACE;

function watched(change: ChangeEvent): WatchedChange {
  const { seq, revision, namespace, key, op, version } = change;
  const value = op === "delete" ? null : JSON.stringify(change.value);
  return { seq, revision, namespace, key, op, value, version };
}

function parsed(value: string | null): string {
  return value === null ? "" : String(JSON.parse(value));
}
