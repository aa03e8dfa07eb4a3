/**
 * Owns clients that read and write a few keys at once and write down what they saw, for the checkers of
 * `sim/` to judge. Each value is written once, so that whoever reads it knows whose it is.
 */
import type { ConcordanceClient } from "../shared/client.ts";
import { ConcordanceError } from "../shared/error.ts";
import { type Operation, violationOf } from "./sim/linearizability.ts";

export const RECORDED_NAMESPACE = "tenant:history/settings";
const KEYS = ["x", "y"] as const;
const PAUSE_MS = 2;

export class Recorder {
  readonly histories = new Map<string, Operation[]>(KEYS.map((key) => [key, []]));
  #isOver = false;
  readonly #clients: Promise<void>[] = [];

  /** Starts a client that goes on until `end`. */
  add(client: ConcordanceClient): void {
    this.#clients.push(this.#operate(client, this.#clients.length));
  }

  /** Lets every client finish what it began. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  get writesDone(): number {
    const all = [...this.histories.values()].flat();
    return all.filter((one) => one.kind === "write" && typeof one.answer === "number").length;
  }

  /** What contradicts every order of some key's operations, or null. */
  violation(): string | null {
    for (const [key, history] of this.histories) {
      const violation = violationOf(history);
      if (violation !== null) return `${key}: ${violation}`;
    }
    return null;
  }

  async #operate(client: ConcordanceClient, writer: number): Promise<void> {
    const seen = new Map<string, number>();
    for (let turn = 0; !this.#isOver; turn += 1) {
      const key = KEYS[turn % KEYS.length] ?? "x";
      const history = this.histories.get(key) ?? [];
      const calledMs = performance.now();
      if (turn % 3 === 2) {
        const entry = await client.get(RECORDED_NAMESPACE, key, { consistency: "linearizable" });
        const { value, version } = entry ?? { value: "", version: 0 };
        seen.set(key, version);
        const answeredMs = performance.now();
        history.push({ kind: "read", calledMs, answeredMs, value: String(value), version });
        continue;
      }
      // Now and then on condition of what was read last: often stale by now, as it should be.
      const cas = turn % 5 === 4 ? (seen.get(key) ?? null) : null;
      const value = `${writer}-${turn}`;
      const facts = { kind: "write" as const, calledMs, value, cas };
      const options = cas === null ? {} : { cas };
      try {
        const { version } = await client.set(RECORDED_NAMESPACE, key, value, options);
        history.push({ ...facts, answeredMs: performance.now(), answer: version });
      } catch (error) {
        const answer = conflictOf(error);
        const answeredMs = answer === null ? Infinity : performance.now();
        history.push({ ...facts, answeredMs, answer });
      }
      await Bun.sleep(PAUSE_MS);
    }
  }
}

/** The version that was met instead, or null when the outcome is not known. */
function conflictOf(error: unknown): { readonly actual: number } | null {
  if (!(error instanceof ConcordanceError)) throw error;
  return error.code === "cas_conflict" ? (error.details as { actual: number }) : null;
}
