/**
 * Owns what a workflow's body is handed in memory: every call has a number and leaves an entry in the run's journal,
 * so a body that begins again gets the recorded answers up to where it was cut.
 */
import type { Json } from "../../core/json.ts";
import type { WorkflowContext } from "../protocol/index.ts";
import type { Clock } from "./clock.ts";
import type { Ground } from "./ground.ts";

/** How this runtime ends a body from outside. */
export class Interrupt extends Error {
  readonly kind: "crash" | "cancel";

  constructor(kind: "crash" | "cancel") {
    super(kind === "crash" ? "the process ended" : "the run was cancelled");
    this.name = "Interrupt";
    this.kind = kind;
  }
}

interface Entry {
  readonly name: string;
  readonly answer: { readonly value: Json | undefined } | { readonly error: unknown };
}

export interface Journal {
  readonly entries: Entry[];
  readonly inbox: Inbox;
}

export function newJournal(): Journal {
  return { entries: [], inbox: newInbox() };
}

/** Signals by topic, in the order of their arrival. */
interface Inbox {
  put(topic: string, payload: Json): void;
  take(topic: string): { readonly payload: Json } | undefined;
  /** Resolves when something may be there for `topic`. */
  arrival(topic: string): { readonly arrived: Promise<void>; leave(): void };
}

function newInbox(): Inbox {
  const queues = new Map<string, Json[]>();
  const sleepers = new Map<string, Set<() => void>>();
  return {
    put: (topic, payload) => {
      queues.set(topic, [...(queues.get(topic) ?? []), payload]);
      for (const wake of sleepers.get(topic) ?? []) wake();
    },
    take: (topic) => {
      const [first, ...rest] = queues.get(topic) ?? [];
      if (first === undefined) return undefined;
      queues.set(topic, rest);
      return { payload: first };
    },
    arrival: (topic) => {
      const waiting = sleepers.get(topic) ?? new Set();
      sleepers.set(topic, waiting);
      let wake: () => void = () => undefined;
      const arrived = new Promise<void>((resolve) => {
        wake = resolve;
      });
      waiting.add(wake);
      return { arrived, leave: () => void waiting.delete(wake) };
    },
  };
}

export interface ContextParts<Connection> {
  readonly workflowId: string;
  readonly journal: Journal;
  readonly ground: Ground<Connection>;
  readonly clock: Clock;
  readonly cutBefore: (workflowId: string, call: number, name: string) => boolean;
  readonly abort: AbortController;
}

export function journaledContext<Connection>(
  parts: ContextParts<Connection>,
): WorkflowContext<Connection> {
  const { workflowId, journal, ground, clock, cutBefore, abort } = parts;
  const { signal } = abort;
  let calls = 0;
  const call = async <T extends Json | undefined>(
    name: string,
    perform: () => Promise<T>,
  ): Promise<T> => {
    const number = calls;
    calls += 1;
    const recorded = journal.entries[number];
    if (recorded !== undefined) return replay<T>(recorded, name, number);
    if (cutBefore(workflowId, number, name)) abort.abort(new Interrupt("crash"));
    signal.throwIfAborted();
    try {
      const value = await perform();
      if (isCrash(signal)) throw signal.reason;
      journal.entries[number] = { name, answer: { value } };
      return value;
    } catch (error) {
      if (!(error instanceof Interrupt)) journal.entries[number] = { name, answer: { error } };
      throw error;
    }
  };
  return {
    workflowId,
    // In memory the commit and its checkpoint cannot be cut apart, except by the real end of the process.
    transaction: (name, work) =>
      call(name, () =>
        ground.transaction(async (connection) => {
          const value = await work(connection);
          if (isCrash(signal)) throw signal.reason;
          return value;
        }),
      ),
    step: call,
    stepUnlessOver: call,
    wait: (topic, deadlineMs) =>
      call(`wait ${topic}`, () => arrivalOf(journal.inbox, clock, topic, deadlineMs, signal)),
    sleep: async (ms) => {
      const dueMs = await call("sleep from", async () => clock.nowMs() + ms);
      await call("sleep", async () => {
        await clock.until(dueMs, signal);
        return null;
      });
    },
    assertOwned: async () => signal.throwIfAborted(),
    isInterrupt: (error) => error instanceof Interrupt,
  };
}

function isCrash(signal: AbortSignal): boolean {
  return signal.reason instanceof Interrupt && signal.reason.kind === "crash";
}

function replay<T>(recorded: Entry, name: string, number: number): T {
  if (recorded.name !== name) {
    throw new Error(
      `call ${number} was "${recorded.name}" and is now "${name}": the body is not deterministic`,
    );
  }
  if ("error" in recorded.answer) throw recorded.answer.error;
  return recorded.answer.value as T;
}

async function arrivalOf(
  inbox: Inbox,
  clock: Clock,
  topic: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Json | undefined> {
  for (;;) {
    signal.throwIfAborted();
    const taken = inbox.take(topic);
    if (taken !== undefined) return taken.payload;
    if (clock.nowMs() >= deadlineMs) return undefined;
    const { arrived, leave } = inbox.arrival(topic);
    const over = new AbortController();
    const pass = () => over.abort(signal.reason);
    signal.addEventListener("abort", pass, { once: true });
    const late = clock.until(deadlineMs, over.signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
    });
    try {
      await Promise.race([arrived, late]);
    } finally {
      leave();
      signal.removeEventListener("abort", pass);
      over.abort(new Error("no longer waited for"));
    }
  }
}
