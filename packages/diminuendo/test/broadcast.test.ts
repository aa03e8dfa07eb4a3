/**
 * What a broadcast engine has to do, asked of each in the same way over the real program: what one gateway says the others
 * hear, in order, and after a break everybody connects again and is told that something may be missing.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import * as Scope from "effect/Scope";
import { type BroadcastShape, broadcastOver } from "../src/fleet/Broadcast.ts";
import type { Engine } from "../src/fleet/engine.ts";
import { HINT_CHARS_MAX, type Hint } from "../src/fleet/hints.ts";
import { Hub } from "../src/fleet/in-process.ts";
import { natsEngine } from "../src/fleet/nats.ts";
import { redisEngine } from "../src/fleet/redis.ts";
import { Metrics } from "../src/observability/Metrics.ts";
import { Breakers } from "../src/resilience/Breakers.ts";
import { has, Program } from "./support/programs.ts";

setDefaultTimeout(60_000);

/** What carries the hints, and how it breaks and comes back. */
interface Carrier {
  readonly engine: () => Engine;
  readonly breakDown: () => Promise<void>;
  readonly mend: () => Promise<void>;
  /** It keeps its connections and says nothing; null where that cannot be. */
  readonly freeze: (() => void) | null;
  readonly thaw: () => void;
  readonly end: () => Promise<void>;
}

async function overProgram(program: Program, engine: () => Engine): Promise<Carrier> {
  return {
    engine,
    breakDown: () => program.kill(),
    mend: () => program.start(),
    freeze: () => program.signal("SIGSTOP"),
    thaw: () => program.signal("SIGCONT"),
    end: () => program.end(),
  };
}

const CARRIERS: readonly (readonly [string, boolean, () => Promise<Carrier>])[] = [
  [
    "in-process",
    true,
    async () => {
      const hub = new Hub();
      return {
        engine: () => hub.engine(),
        breakDown: async () => hub.cut("the test"),
        mend: async () => {},
        freeze: null,
        thaw: () => {},
        end: async () => {},
      };
    },
  ],
  [
    "redis",
    has("redis-server", "broadcast over Redis"),
    async () => {
      const program = await Program.redis();
      return overProgram(program, () => redisEngine(program.url, "concert:test"));
    },
  ],
  [
    "nats",
    has("nats-server", "broadcast over NATS"),
    async () => {
      const program = await Program.nats();
      return overProgram(program, () => natsEngine(program.url, "test"));
    },
  ],
];

/** One gateway's end of it, and all it has heard. */
class Listener {
  readonly heard: (readonly [string, Hint])[] = [];
  doubts = 0;
  readonly #runtime = ManagedRuntime.make(Breakers.layer.pipe(Layer.provideMerge(Metrics.layer)));
  readonly #scope = Scope.makeUnsafe();
  broadcast!: BroadcastShape;

  static async on(carrier: Carrier, gatewayId: string): Promise<Listener> {
    const listener = new Listener();
    const opened = broadcastOver(carrier.engine(), gatewayId);
    listener.broadcast = await listener.#runtime.runPromise(
      Effect.provideService(opened, Scope.Scope, listener.#scope),
    );
    listener.broadcast.hear((hint, from) => void listener.heard.push([from, hint]));
    listener.broadcast.onDoubt(() => {
      listener.doubts += 1;
    });
    return listener;
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`in vain: ${condition}`);
      await Bun.sleep(5);
    }
  }

  async end(): Promise<void> {
    await Effect.runPromise(Scope.close(this.#scope, Exit.void));
    await this.#runtime.dispose();
  }
}

const events = (sessionId: string, seq: number, frame = `{"seq":${seq}}`): Hint => ({
  kind: "session_events",
  sessionId,
  events: [{ seq, frame }],
});

for (const [name, isThere, carry] of CARRIERS) {
  describe.if(isThere)(`broadcast: ${name}`, () => {
    let carrier: Carrier;
    let listeners: Listener[];
    beforeEach(async () => {
      carrier = await carry();
      listeners = [];
    });
    afterEach(async () => {
      for (const listener of listeners) await listener.end();
      await carrier.end();
    });
    const join = async (gatewayId: string) => {
      const listener = await Listener.on(carrier, gatewayId);
      listeners.push(listener);
      await listener.until(() => listener.broadcast.state().ok);
      return listener;
    };

    test("what one says the others hear, in order and as it was said, and it does not hear itself", async () => {
      const [a, b, c] = [await join("a"), await join("b"), await join("c")];
      const said = Array.from({ length: 500 }, (_, index) =>
        events("s1", index + 1, `{"text":"zażółć ${index} \\n \\u0000 😀"}`),
      );
      for (const hint of said) a.broadcast.publish(hint);
      for (const other of [b, c]) {
        await other.until(() => other.heard.length >= said.length);
        expect(other.heard).toEqual(said.map((hint) => ["a", hint] as const));
      }
      expect(a.heard).toEqual([]);
    });

    test("every kind of hint arrives as it was said; what is too large says where to look", async () => {
      const [a, b] = [await join("a"), await join("b")];
      const small: Hint[] = [
        { kind: "session_moved", sessionId: "s1", lastSeq: 9 },
        { kind: "session_ended", sessionId: "s1" },
        { kind: "tenant_notice", tenantId: "acme", place: 1, text: "{}", origin: null },
        { kind: "tenant_notice", tenantId: "acme", place: 2, text: "{}", origin: "c1" },
        { kind: "role_changed", tenantId: "acme", place: 3, userId: "ann", role: "viewer" },
        { kind: "role_changed", tenantId: "acme", place: 4, userId: "ann", role: null },
        { kind: "owners_changed" },
      ];
      for (const hint of small) a.broadcast.publish(hint);
      a.broadcast.publish(events("s2", 7, "x".repeat(HINT_CHARS_MAX + 1)));
      await b.until(() => b.heard.length > small.length);
      const moved: Hint = { kind: "session_moved", sessionId: "s2", lastSeq: 7 };
      expect(b.heard.map(([, hint]) => hint)).toEqual([...small, moved]);
    });

    test("when it breaks and comes back, everybody is told to look for what is missing, and it goes on", async () => {
      const [a, b] = [await join("a"), await join("b")];
      a.broadcast.publish(events("s1", 1));
      await b.until(() => b.heard.length === 1);
      const doubts = [a.doubts, b.doubts];
      await carrier.breakDown();
      await a.until(() => name === "in-process" || !a.broadcast.state().ok);
      // Said to nobody: lost, and no error.
      a.broadcast.publish(events("s1", 2));
      await carrier.mend();
      for (const [index, one] of [a, b].entries()) {
        await one.until(() => one.doubts > (doubts[index] ?? 0) && one.broadcast.state().ok);
      }
      a.broadcast.publish(events("s1", 3));
      await b.until(() => b.heard.length >= 2);
      expect(b.heard.at(-1)).toEqual(["a", events("s1", 3)]);
    });

    if (name === "in-process") return;
    test("one that keeps its connections and says nothing counts as broken, and is taken up again", async () => {
      const [a, b] = [await join("a"), await join("b")];
      const doubts = b.doubts;
      carrier.freeze?.();
      await a.until(() => !a.broadcast.state().ok);
      await b.until(() => !b.broadcast.state().ok);
      carrier.thaw();
      for (const one of [a, b]) await one.until(() => one.broadcast.state().ok);
      expect(b.doubts).toBeGreaterThan(doubts);
      a.broadcast.publish(events("s1", 1));
      await b.until(() => b.heard.length > 0);
    });
  });
}

test("what is no hint of this version is passed over", async () => {
  const hub = new Hub();
  const carrier: Carrier = {
    engine: () => hub.engine(),
    breakDown: async () => {},
    mend: async () => {},
    freeze: null,
    thaw: () => {},
    end: async () => {},
  };
  const b = await Listener.on(carrier, "b");
  await b.until(() => b.broadcast.state().ok);
  const link = await hub.engine().open(() => {});
  for (const text of [
    "",
    "{",
    "[]",
    '{"v":2,"from":"a"}',
    '{"v":1,"from":"a","hint":{"kind":"x"}}',
  ]) {
    link.publish(text);
  }
  link.publish(JSON.stringify({ v: 1, from: "a", hint: { kind: "owners_changed" } }));
  await b.until(() => b.heard.length > 0);
  expect(b.heard).toEqual([["a", { kind: "owners_changed" }]]);
  await b.end();
});
