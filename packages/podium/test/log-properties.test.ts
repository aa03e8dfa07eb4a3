/** Properties of the log over random histories: reopening, torn transactions, repeated feed events. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { applyFeedItem, bindTurn } from "../src/engine/feed-ledger.ts";
import type { PodiumEvent } from "../src/runs/podium-events.ts";
import { Store } from "../src/store/store.ts";
import { ALICE } from "./support/podium-process.ts";

// Thousands of commits, and other work may share the machine.
setDefaultTimeout(60_000);

const NOW = "2026-01-01T00:00:00.000Z";
const INSTANCES = ["i0", "i1"] as const;
const instance = (instanceId: string) => ({
  instanceId,
  tenantId: "acme",
  deploymentId: "echo:builtin",
  agentType: "echo",
  config: {},
  status: "running" as const,
});

/** A store in a directory of its own that can be closed and opened again. */
class ReopenedStore {
  readonly #dir = mkdtempSync(join(tmpdir(), "podium-"));
  store = this.#open();

  reopen(): void {
    this.store.close();
    this.store = this.#open();
  }

  remove(): void {
    this.store.close();
    rmSync(this.#dir, { recursive: true });
  }

  #open(): Store {
    return Store.open(this.#dir, () => NOW);
  }
}

const draft = (text: string, dedupKey: string | undefined) => ({
  type: "stream_end" as const,
  content: { message_id: "m", text },
  ...(dedupKey === undefined ? {} : { dedupKey }),
});

const logOperation = fc.oneof(
  fc.record({
    kind: fc.constantFrom("append" as const, "torn" as const),
    instance: fc.constantFrom(...INSTANCES),
    keys: fc.array(fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.constant({ kind: "reopen" as const }),
);

test("P1 P2: whatever is appended, torn or reopened, ids are dense and a dedup key is logged once", () => {
  fc.assert(
    fc.property(fc.array(logOperation, { maxLength: 25 }), (operations) => {
      const subject = new ReopenedStore();
      try {
        const twin = new Map<string, string[]>(INSTANCES.map((id) => [id, []]));
        subject.store.write(() => {
          for (const id of INSTANCES) subject.store.instances.insert(instance(id), NOW);
        });
        operations.forEach((operation, index) => {
          if (operation.kind === "reopen") {
            subject.reopen();
            return;
          }
          const { store } = subject;
          const append = () => {
            for (const [position, key] of operation.keys.entries()) {
              const text = key ?? `${index}.${position}`;
              store.append(operation.instance, "t", draft(text, key));
            }
            if (operation.kind === "torn") throw new Error("cut before commit");
          };
          if (operation.kind === "torn") {
            expect(() => store.write(append)).toThrow("cut before commit");
            return;
          }
          store.write(append);
          const texts = twin.get(operation.instance) ?? [];
          for (const [position, key] of operation.keys.entries()) {
            if (key === undefined || !texts.includes(key))
              texts.push(key ?? `${index}.${position}`);
          }
        });
        for (const id of INSTANCES) {
          const events = subject.store.events.readAfter(id, 0, 1_000);
          const texts = twin.get(id) ?? [];
          expect(events.map((event) => event.event_id)).toEqual(texts.map((_, n) => n + 1));
          expect(events.map((event) => (event.content as { text: string }).text)).toEqual(texts);
        }
      } finally {
        subject.remove();
      }
    }),
    { numRuns: 60 },
  );
});

const feedStep = fc.record({
  type: fc.constantFrom(
    "command_created",
    "state_transitioned",
    "tool_call_proposed",
    "approval_requested",
    "approval_resolved",
    "something_new",
  ),
  command: fc.constantFrom("cmd_1", "kid_a", "kid_b", "stranger"),
  to: fc.constantFrom("running", "waiting_for_approval", "succeeded"),
});
const disturbance = fc.array(
  fc.record({ at: fc.nat(40), rewind: fc.nat(6), reopen: fc.boolean() }),
  { maxLength: 5 },
);

interface Step {
  readonly type: string;
  readonly command: string;
  readonly to: string;
}

function feedItem(step: Step, index: number) {
  const root = step.command === "stranger" ? "cmd_9" : "cmd_1";
  const ids = { call_id: step.command, command_id: step.command, approval_id: `appr_${index}` };
  return {
    cursor: `c${index}`,
    data: {
      event_id: `evt_${index}`,
      event_type: step.type,
      command_id: step.command,
      root_command_id: root,
      parent_command_id: step.command === root ? null : root,
      tenant_id: "acme",
      task_name: "some.task",
      payload: { to: step.to, ...ids },
    },
  };
}

/** Plays a feed into a fresh store; disturbances repeat the last events and reopen the store between two. */
function play(
  steps: readonly Step[],
  bindAt: number,
  disturbances: readonly { at: number; rewind: number; reopen: boolean }[],
): PodiumEvent[] {
  const subject = new ReopenedStore();
  const bind = () => {
    const turn = subject.store.turns.get("i0", "t1");
    if (turn !== undefined) subject.store.write(() => bindTurn(subject.store, turn, "cmd_1"));
  };
  try {
    subject.store.write(() => {
      subject.store.instances.insert(instance("i0"), NOW);
      const asked = { instanceId: "i0", turnId: "t1", sessionId: "s", text: "hi", actor: ALICE };
      const rest = { traceId: "0".repeat(32), cause: null, historyTurnSeqs: [], createdAt: NOW };
      subject.store.turns.insert({ ...asked, ...rest });
    });
    steps.forEach((step, index) => {
      if (index === bindAt) bind();
      applyFeedItem(subject.store, feedItem(step, index));
      for (const { at, rewind, reopen } of disturbances) {
        if (at !== index) continue;
        if (reopen) subject.reopen();
        for (let again = Math.max(bindAt, index - rewind); again <= index; again += 1) {
          const repeated = steps[again];
          if (repeated !== undefined) applyFeedItem(subject.store, feedItem(repeated, again));
        }
      }
    });
    if (bindAt >= steps.length) bind();
    expect(subject.store.feed.cursor()).toBe(
      steps.length === 0 ? undefined : `c${steps.length - 1}`,
    );
    return subject.store.events.readAfter("i0", 0, 1_000);
  } finally {
    subject.remove();
  }
}

test("P6 P8 P9: late binding, repeated feed events and reopening give the log of an undisturbed run, `complete` last", () => {
  fc.assert(
    fc.property(
      fc.array(feedStep, { maxLength: 30 }),
      fc.nat(35),
      disturbance,
      (steps, bindAt, disturbances) => {
        const undisturbed = play(steps, 0, []);
        expect(play(steps, Math.min(bindAt, steps.length), disturbances)).toEqual(undisturbed);
        const types = undisturbed.map((event) => event.event_type);
        if (types.includes("complete")) expect(types.indexOf("complete")).toBe(types.length - 1);
        expect(types[0]).toBe("created");
      },
    ),
    { numRuns: 60 },
  );
});

test("P7: a listener that reads the log when told of growth sees the event; a torn write tells nobody", () => {
  const subject = new ReopenedStore();
  const seen: number[] = [];
  subject.store.onAppend((id) => seen.push(subject.store.events.readAfter(id, 0, 10).length));
  subject.store.write(() => {
    subject.store.instances.insert(instance("i0"), NOW);
    subject.store.append("i0", "t", draft("one", undefined));
    expect(seen).toEqual([]);
  });
  const torn = () =>
    subject.store.write(() => {
      subject.store.append("i0", "t", draft("two", undefined));
      throw new Error("cut");
    });
  expect(torn).toThrow("cut");
  expect(seen).toEqual([1]);
  subject.remove();
});
