/**
 * Owns what a workflow's body is handed on Restate: each call of the port is one entry of the invocation's journal.
 * Restate repeats what throws until it succeeds; here the body decides, so an error is journaled as a value and
 * thrown again behind the journal. Signals are durable promises, numbered by topic.
 */
import {
  type WorkflowContext as Engine,
  RestateError,
  TimeoutError,
} from "@restatedev/restate-sdk";
import type { ClientBase, Pool } from "pg";
import type { Json } from "../../core/json.ts";
import { isConnectionLost } from "../../postgres/connection.ts";
import { inTransaction } from "../../postgres/transaction.ts";
import { patiently } from "../patience.ts";
import type { WorkflowContext } from "../protocol/index.ts";

type Outcome<T> = { readonly value: T } | { readonly error: string };

export function promiseName(topic: string, number: number): string {
  return `${topic}#${number}`;
}

/** The state under which a workflow says how many signals of `topic` it took. */
export function takenName(topic: string): string {
  return `taken ${topic}`;
}

export function restateContext(engine: Engine, pool: Pool): WorkflowContext<ClientBase> {
  const journaled = async <T extends Json>(name: string, work: () => Promise<T>): Promise<T> => {
    const outcome = await engine.run<Outcome<T>>(name, () =>
      work().then(
        (value) => ({ value }),
        (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
      ),
    );
    if ("error" in outcome) throw new Error(outcome.error);
    return outcome.value;
  };
  const taken = new Map<string, number>();
  return {
    workflowId: engine.key,
    // The commit and its journal entry are two: `work` finds out from its rows what a first time did.
    transaction: (name, work) =>
      journaled(name, () => patiently(isConnectionLost, () => inTransaction(pool, work))),
    step: journaled,
    stepUnlessOver: journaled,
    wait: async (topic, deadlineMs) => {
      const number = taken.get(topic) ?? 0;
      const leftMs = Math.max(0, deadlineMs - (await engine.date.now()));
      const arrived = await engine
        .promise<Json>(promiseName(topic, number))
        .get()
        .orTimeout(leftMs)
        .then(
          (payload) => ({ payload }),
          (error: unknown) => {
            if (error instanceof TimeoutError) return undefined;
            throw error;
          },
        );
      if (arrived === undefined) return undefined;
      taken.set(topic, number + 1);
      engine.set(takenName(topic), number + 1);
      return arrived.payload;
    },
    sleep: (ms) => engine.sleep(ms),
    assertOwned: async () => undefined,
    isInterrupt: (error) => error instanceof RestateError,
  };
}
