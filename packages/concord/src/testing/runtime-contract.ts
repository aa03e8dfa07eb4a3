/**
 * Owns the contract of a durable runtime as cases that any adapter can be held to (TST-8, RUN-5). Framework-free:
 * `for (const one of runtimeContract) test(one.name, () => one.run(subject))`. Each case throws what it misses.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Json } from "../core/json.ts";
import {
  type DurableRuntime,
  RUNTIME_CAPABILITIES,
  type RuntimeCapability,
  type WorkflowContext,
  type WorkflowSpec,
} from "../runtime/protocol/index.ts";

/** An adapter under test, over transactions that can write lines. */
export interface RuntimeSubject<Connection> {
  /** The one that runs now; another object after `restart`. */
  readonly runtime: DurableRuntime<Connection>;
  /** Begins, runs, commits or rolls back, as a caller of Concord does. */
  transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  write(connection: Connection, line: string): Promise<void>;
  /** The committed lines, in the order of their writing. */
  lines(): Promise<readonly string[]>;
  /** Ends the runtime, whatever it is doing, and starts it again with `defineContractWorkflows`. */
  restart(): Promise<void>;
}

export interface ContractCase {
  readonly name: string;
  /** Holds only for adapters that declare it. */
  readonly requires?: RuntimeCapability;
  run<Connection>(subject: RuntimeSubject<Connection>): Promise<void>;
}

const RESULT_WITHIN_MS = 45_000;
const LOOK_EVERY_MS = 20;

const FAR_FUTURE_MS = 4_000_000_000_000;

/** What happened in this process, by run: how often steps were entered, and gates that hold them open. */
const entered = new Map<string, number>();
const gates = new Map<string, Promise<void>>();
const ticks: { readonly name: string; readonly dueAt: Date }[] = [];

/** Registers the bodies that the cases use. Call before each `start`. */
export function defineContractWorkflows<Connection>(
  runtime: DurableRuntime<Connection>,
  write: RuntimeSubject<Connection>["write"],
): void {
  type Context = WorkflowContext<Connection>;
  const line = (context: Context, text: string) =>
    context.transaction(`write ${text}`, async (connection) => {
      await write(connection, `${context.workflowId} ${text}`);
      return text;
    });
  runtime.defineWorkflow("contract.echo", async (_context, input) => ({ heard: input }));
  runtime.defineWorkflow("contract.fail", async () => {
    throw new Error("the body gave up");
  });
  runtime.defineWorkflow("contract.stumble", async (context) => {
    const name = context.workflowId;
    const step = await context
      .step("stumble", async () => {
        count(name);
        throw new Error("the step stumbled");
      })
      .catch((error: unknown) => messageOf(context, error));
    const rolledBack = await context
      .transaction("undone", async (connection) => {
        await write(connection, `${name} undone`);
        throw new Error("the transaction stumbled");
      })
      .catch((error: unknown) => messageOf(context, error));
    await line(context, "after");
    return { step, rolledBack };
  });
  runtime.defineWorkflow("contract.collect", async (context, wanted) => {
    const heard: Json[] = [];
    const deadlineMs = await context.step("deadline", async () => Date.now() + RESULT_WITHIN_MS);
    for (let n = 0; n < Number(wanted); n += 1) {
      const signal = await context.wait("word", deadlineMs);
      heard.push(signal ?? "nothing");
      await line(context, `heard ${String(signal)}`);
    }
    return heard;
  });
  runtime.defineWorkflow("contract.late", async (context) => {
    const deadlineMs = await context.step("deadline", async () => Date.now() + 60);
    const heard = await context.wait("word", deadlineMs);
    await context.sleep(10);
    return heard ?? "nothing";
  });
  runtime.defineWorkflow("contract.gated", async (context) => {
    await line(context, "before");
    await context.step("gate", async () => {
      count(context.workflowId);
      await gates.get(context.workflowId);
      return null;
    });
    await line(context, "after");
    return "done";
  });
  runtime.defineWorkflow("contract.last", async (context) => {
    const seen: Json[] = [];
    for (;;) {
      const look = async () => {
        count(context.workflowId);
        return entered.get(context.workflowId) ?? 0;
      };
      const answer = await context.stepUnlessOver("look", look, () => seen.length === 1);
      seen.push(answer);
      if (seen.length === 2) return seen;
      await line(context, "looked");
      await context.wait("word", FAR_FUTURE_MS);
    }
  });
  runtime.schedules?.onTick(async (name, dueAt) => {
    ticks.push({ name, dueAt });
  });
}

function count(key: string): void {
  entered.set(key, (entered.get(key) ?? 0) + 1);
}

function messageOf<Connection>(context: WorkflowContext<Connection>, error: unknown): string {
  if (context.isInterrupt(error)) throw error;
  return error instanceof Error ? error.message : String(error);
}

function specOf(workflow: string, input: Json = null): WorkflowSpec {
  return {
    workflow,
    workflowId: `contract:${randomUUID()}`,
    input,
    queue: "concord_default",
    tenant: "t1",
  };
}

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = Date.now() + RESULT_WITHIN_MS;
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function resultOf<C>({ runtime }: RuntimeSubject<C>, workflowId: string): Promise<Json> {
  const outcome = await runtime.waitForResult(workflowId, RESULT_WITHIN_MS);
  assert.equal(outcome.state, "succeeded", JSON.stringify(outcome));
  return outcome.state === "succeeded" ? outcome.value : null;
}

const linesOf = async <C>(subject: RuntimeSubject<C>, workflowId: string) =>
  (await subject.lines())
    .filter((one) => one.startsWith(`${workflowId} `))
    .map((one) => one.slice(workflowId.length + 1));

const RUNS: readonly ContractCase[] = [
  {
    name: "RUN-2 declares capabilities of the vocabulary, and what every command needs",
    run: async ({ runtime }) => {
      const known: readonly string[] = RUNTIME_CAPABILITIES;
      for (const one of runtime.capabilities) assert.ok(known.includes(one), one);
      for (const one of ["durable_workflows", "durable_steps", "signals"] as const) {
        assert.ok(runtime.capabilities.has(one), one);
      }
      assert.equal(runtime.schedules !== undefined, runtime.capabilities.has("schedules"));
    },
  },
  {
    name: "RUN-1 a submitted run gets its input and its result can be awaited",
    run: async (subject) => {
      const spec = specOf("contract.echo", { text: "grüß dich", list: [1, null, true] });
      await subject.runtime.submitWorkflow(spec);
      assert.deepEqual(await resultOf(subject, spec.workflowId), { heard: spec.input });
    },
  },
  {
    name: "CMD-17 submitted twice under one id it runs once, with the first input",
    run: async (subject) => {
      const spec = specOf("contract.echo", "first");
      await subject.runtime.submitWorkflow(spec);
      await resultOf(subject, spec.workflowId);
      await subject.runtime.submitWorkflow({ ...spec, input: "second" });
      assert.deepEqual(await resultOf(subject, spec.workflowId), { heard: "first" });
    },
  },
  {
    name: "RUN-1 a body that throws has failed, with its message",
    run: async (subject) => {
      const spec = specOf("contract.fail");
      await subject.runtime.submitWorkflow(spec);
      const outcome = await subject.runtime.waitForResult(spec.workflowId, RESULT_WITHIN_MS);
      assert.equal(outcome.state, "failed");
      assert.match(outcome.state === "failed" ? outcome.message : "", /the body gave up/);
    },
  },
  {
    name: "RTY-9 a step that throws is not repeated, a transaction that throws leaves nothing; the body goes on",
    run: async (subject) => {
      const spec = specOf("contract.stumble");
      await subject.runtime.submitWorkflow(spec);
      const { step, rolledBack } = (await resultOf(subject, spec.workflowId)) as Record<
        string,
        Json
      >;
      assert.match(String(step), /the step stumbled/);
      assert.match(String(rolledBack), /the transaction stumbled/);
      assert.equal(entered.get(spec.workflowId), 1);
      assert.deepEqual(await linesOf(subject, spec.workflowId), ["after"]);
    },
  },
  {
    name: "RUN-12 fifty runs at once all end, each with its own answer",
    run: async (subject) => {
      const specs = Array.from({ length: 50 }, (_unused, n) => specOf("contract.echo", n));
      await Promise.all(specs.map((spec) => subject.runtime.submitWorkflow(spec)));
      const heard = await Promise.all(specs.map((spec) => resultOf(subject, spec.workflowId)));
      assert.deepEqual(
        heard,
        specs.map((_spec, n) => ({ heard: n })),
      );
    },
  },
  {
    name: "RUN-17 what is known of a run: missing, at work, ended; and ended runs can be forgotten",
    run: async (subject) => {
      const { runtime } = subject;
      const spec = specOf("contract.collect", 1);
      assert.equal((await runtime.inspect(spec.workflowId)).state, "missing");
      assert.equal((await runtime.inspect(null)).state, "missing");
      await runtime.submitWorkflow(spec);
      await until(
        "it is taken",
        async () => (await runtime.inspect(spec.workflowId)).state === "taken",
      );
      assert.equal((await runtime.waitForResult(spec.workflowId, 50)).state, "running");
      await runtime.signal(spec.workflowId, "word", "go");
      await resultOf(subject, spec.workflowId);
      await until(
        "it ended",
        async () => (await runtime.inspect(spec.workflowId)).state === "ended",
      );
      await until("it is forgotten", async () => {
        await runtime.forgetEnded(new Date(Date.now() + 60_000), 1_000);
        return (await runtime.inspect(spec.workflowId)).state === "missing";
      });
    },
  },
];

const MESSAGES: readonly ContractCase[] = [
  {
    name: "CMD-18 messages exist if and only if their transaction commits",
    run: async (subject) => {
      const [kept, dropped] = [specOf("contract.collect", 1), specOf("contract.echo")];
      const failure = subject.transaction(async (connection) => {
        await subject.write(connection, `${dropped.workflowId} row`);
        await subject.runtime.messages(connection).submit(dropped);
        throw new Error("rolled back");
      });
      await assert.rejects(failure, /rolled back/);
      await subject.transaction(async (connection) => {
        await subject.write(connection, `${kept.workflowId} row`);
        await subject.runtime.messages(connection).submit(kept);
      });
      await until(
        "it runs",
        async () => (await subject.runtime.inspect(kept.workflowId)).state === "taken",
      );
      await subject.transaction((connection) =>
        subject.runtime.messages(connection).signal(kept.workflowId, "word", { go: true }),
      );
      assert.deepEqual(await resultOf(subject, kept.workflowId), [{ go: true }]);
      assert.equal((await subject.runtime.inspect(dropped.workflowId)).state, "missing");
      assert.deepEqual(await linesOf(subject, dropped.workflowId), []);
    },
  },
  {
    name: "RUN-1 signals arrive in order, each once, also those sent before anybody waits",
    run: async (subject) => {
      const spec = specOf("contract.collect", 4);
      await subject.runtime.submitWorkflow(spec);
      await until(
        "it is known",
        async () => (await subject.runtime.inspect(spec.workflowId)).state !== "missing",
      );
      for (const word of ["a", "b", "c", "d"]) {
        await subject.runtime.signal(spec.workflowId, "word", word);
      }
      assert.deepEqual(await resultOf(subject, spec.workflowId), ["a", "b", "c", "d"]);
      assert.deepEqual(
        await linesOf(subject, spec.workflowId),
        ["a", "b", "c", "d"].map((word) => `heard ${word}`),
      );
    },
  },
  {
    name: "RUN-1 a wait ends at its deadline with nothing",
    run: async (subject) => {
      const spec = specOf("contract.late");
      await subject.runtime.submitWorkflow(spec);
      assert.equal(await resultOf(subject, spec.workflowId), "nothing");
    },
  },
  {
    name: "RUN-1 a signal to a run that is missing or has ended harms nothing",
    run: async (subject) => {
      const spec = specOf("contract.echo", 1);
      await subject.runtime.signal("contract:nobody", "word", 1);
      await subject.transaction((connection) =>
        subject.runtime.messages(connection).signal("contract:nobody", "word", 1),
      );
      await subject.runtime.submitWorkflow(spec);
      await resultOf(subject, spec.workflowId);
      await subject.runtime.signal(spec.workflowId, "word", 2);
      assert.deepEqual(await resultOf(subject, spec.workflowId), { heard: 1 });
    },
  },
  {
    name: "CAN-2 a run that is cancelled while it waits ends cancelled, and its body does nothing more",
    run: async (subject) => {
      const spec = specOf("contract.collect", 1);
      await subject.runtime.submitWorkflow(spec);
      await until(
        "it waits",
        async () => (await subject.runtime.inspect(spec.workflowId)).state === "taken",
      );
      await subject.runtime.cancel(spec.workflowId);
      await subject.runtime.signal(spec.workflowId, "word", "too late");
      const outcome = await subject.runtime.waitForResult(spec.workflowId, RESULT_WITHIN_MS);
      assert.equal(outcome.state, "cancelled", JSON.stringify(outcome));
      assert.deepEqual(await linesOf(subject, spec.workflowId), []);
    },
  },
];

const RECOVERY: readonly ContractCase[] = [
  {
    name: "RUN-11 a run that waits goes on after a restart; what it did is not done again",
    run: async (subject) => {
      const spec = specOf("contract.collect", 2);
      await subject.runtime.submitWorkflow(spec);
      await until(
        "it is known",
        async () => (await subject.runtime.inspect(spec.workflowId)).state !== "missing",
      );
      await subject.runtime.signal(spec.workflowId, "word", "one");
      await until(
        "one was heard",
        async () => (await linesOf(subject, spec.workflowId)).length === 1,
      );
      await subject.restart();
      await subject.runtime.signal(spec.workflowId, "word", "two");
      assert.deepEqual(await resultOf(subject, spec.workflowId), ["one", "two"]);
      assert.deepEqual(await linesOf(subject, spec.workflowId), ["heard one", "heard two"]);
    },
  },
  {
    name: "RUN-10 RUN-11 a step that was cut off is entered again; the transaction before it is not",
    run: async (subject) => {
      const spec = specOf("contract.gated");
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      gates.set(spec.workflowId, gate);
      await subject.runtime.submitWorkflow(spec);
      await until("it is in the step", () => entered.get(spec.workflowId) === 1);
      const restarted = subject.restart();
      await until("it was entered again", () => (entered.get(spec.workflowId) ?? 0) >= 2);
      open();
      await restarted;
      assert.equal(await resultOf(subject, spec.workflowId), "done");
      assert.deepEqual(await linesOf(subject, spec.workflowId), ["before", "after"]);
    },
  },
  {
    name: "RUN-11 of a step that may be the last, what it answered before counts when the body begins anew, and a body ends with it",
    run: async (subject) => {
      const spec = specOf("contract.last");
      await subject.runtime.submitWorkflow(spec);
      const told = async () => (await linesOf(subject, spec.workflowId)).length === 1;
      await until("it has looked once, and said so", told);
      await subject.restart();
      await subject.runtime.signal(spec.workflowId, "word", "go on");
      const [first, last] = (await resultOf(subject, spec.workflowId)) as [number, number];
      assert.equal(first, 1);
      assert.ok(last > first);
    },
  },
];

/** Due in a far year: nothing fires while the case looks. */
const NEVER_NOW = "0 0 1 1 *";

const TICKS: readonly ContractCase[] = [
  {
    name: "SCH-4 a schedule that is triggered ticks, also while paused, and a pause survives being applied again",
    requires: "schedules",
    run: async ({ runtime: { schedules } }) => {
      assert.ok(schedules !== undefined);
      const name = `paused-${randomUUID()}`;
      const spec = { name, cron: NEVER_NOW, missed: "skip" } as const;
      await schedules.apply([spec]);
      await schedules.pause(name);
      await schedules.apply([spec]);
      const [state] = await schedules.list();
      assert.deepEqual([state?.name, state?.status, state?.cron], [name, "paused", NEVER_NOW]);
      await schedules.trigger(name);
      await until("it ticked", () => ticks.some((one) => one.name === name));
      await schedules.resume(name);
      assert.equal((await schedules.list())[0]?.status, "active");
      await schedules.apply([]);
      assert.deepEqual(await schedules.list(), []);
    },
  },
  {
    name: "SCH-3 SCH-4 a backfill delivers each tick of the past once, with the time it was due",
    requires: "schedules",
    run: async ({ runtime: { schedules } }) => {
      assert.ok(schedules !== undefined);
      const name = `backfilled-${randomUUID()}`;
      await schedules.apply([{ name, cron: "0 3 * * *", missed: "skip" }]);
      const [from, to] = [new Date("2026-01-01T00:00:00Z"), new Date("2026-01-04T00:00:00Z")];
      const seen = () =>
        ticks.filter((one) => one.name === name).map((one) => one.dueAt.toISOString());
      assert.equal(await schedules.backfill(name, from, to), 3);
      await until("all came", () => seen().length >= 3);
      await schedules.backfill(name, from, to);
      await schedules.trigger(name);
      await until("the trigger came after them", () => seen().length >= 4);
      const [past, now] = [seen().filter((at) => at.startsWith("2026-01-0")), seen().slice(-1)];
      assert.deepEqual([...past].sort(), [
        "2026-01-01T03:00:00.000Z",
        "2026-01-02T03:00:00.000Z",
        "2026-01-03T03:00:00.000Z",
      ]);
      assert.equal(now.length, 1);
      await schedules.apply([]);
    },
  },
];

/** Every case; those with `requires` hold for adapters that declare it. */
export const runtimeContract: readonly ContractCase[] = [
  ...RUNS,
  ...MESSAGES,
  ...RECOVERY,
  ...TICKS,
];
