/**
 * The session log against a dumb twin: an array. Random appends, reopened storage, joins at random places
 * while appends go on. Real workers and files; sockets are replaced at their narrowest point.
 */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import fc from "fast-check";
import { AppConfig, type Settings } from "../src/app-config.ts";
import { WorkerManager } from "../src/db/WorkerManager.ts";
import type { EventDraft } from "../src/domain/podium-event.ts";
import { Metrics } from "../src/observability/Metrics.ts";
import { joinSession } from "../src/session/messages/join-messages.ts";
import { Sessions } from "../src/session/Sessions.ts";
import { inOrder, moveTo, type Step, tell } from "../src/session/session-model.ts";
import { idled, recovered } from "../src/session/session-steps.ts";
import { TurnNews } from "../src/session/TurnNews.ts";
import { Broadcaster } from "../src/transport/Broadcaster.ts";
import { Connection, type Socket } from "../src/transport/Connection.ts";
import { SocketServer } from "../src/transport/SocketServer.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

const actor = { tenant: "acme", user: "ann", roles: ["owner"], permissions: [] };
const root = mkdtempSync(join(tmpdir(), "diminuendo-log-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Bun's pub/sub as this test needs it: a topic is a set of sockets. */
class Hub {
  readonly topics = new Map<string, Set<FakeSocket>>();
  readonly publish = (topic: string, text: string) => {
    for (const socket of this.topics.get(topic) ?? []) socket.texts.push(text);
  };
}
class FakeSocket {
  readonly data = { connection: null, clientId: "test" };
  readonly texts: string[] = [];
  readonly #hub: Hub;
  constructor(hub: Hub) {
    this.#hub = hub;
  }
  send(text: string): void {
    this.texts.push(text);
  }
  subscribe(topic: string): void {
    const sockets = this.#hub.topics.get(topic) ?? new Set();
    this.#hub.topics.set(topic, sockets.add(this));
  }
  unsubscribe(topic: string): void {
    this.#hub.topics.get(topic)?.delete(this);
  }
  getBufferedAmount(): number {
    return 0;
  }
}

type Workers = WorkerManager["Service"];

function open(hub: Hub, dataDir: string, around: (workers: Workers) => Workers = (it) => it) {
  const server = SocketServer.of({
    publish: hub.publish,
    listen: () => () => {},
    connections: new Set(),
    start: () => Effect.succeed(0),
    refuseNewcomers: Effect.void,
  });
  const base = Layer.mergeAll(
    Layer.succeed(AppConfig, { dataDir } as Settings),
    Metrics.layer,
    Layer.succeed(SocketServer, server),
  );
  const workers = Layer.effect(WorkerManager, Effect.map(WorkerManager, around)).pipe(
    Layer.provide(WorkerManager.layer),
  );
  const storage = Layer.mergeAll(workers, Broadcaster.layer).pipe(Layer.provideMerge(base));
  return ManagedRuntime.make(
    Sessions.layer.pipe(Layer.provideMerge(TurnNews.layer), Layer.provideMerge(storage)),
  );
}
type Runtime = ReturnType<typeof open>;

interface Reader {
  readonly socket: FakeSocket;
  readonly afterSeq: number;
  readonly joined: Promise<unknown>;
}

function joinAs(runtime: Runtime, hub: Hub, sessionId: string, afterSeq: number) {
  const socket = new FakeSocket(hub);
  const connection = new Connection(socket as unknown as Socket, 60, () => {});
  connection.actor = actor;
  const ask = { type: "join_session", sessionId, afterSeq } as const;
  return { socket, afterSeq, joined: runtime.runPromise(joinSession(connection, actor, ask)) };
}

/** Some texts are long, so that a replay takes several pages and appends run into it. */
const text = fc.oneof(
  { weight: 3, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.constant("long ".repeat(25_000)) },
);
const anAppend = fc.record({
  do: fc.constant("append" as const),
  texts: fc.array(text, { minLength: 1, maxLength: 5 }),
});
const aJoin = fc.record({ do: fc.constant("join" as const), back: fc.nat({ max: 30 }) });
const aReopen = fc.record({ do: fc.constant("reopen" as const) });
const command = fc.oneof(
  { weight: 6, arbitrary: anAppend },
  { weight: 4, arbitrary: aJoin },
  { weight: 1, arbitrary: aReopen },
);

let round = 0;

async function create(runtime: Runtime, sessionId: string): Promise<void> {
  const row = {
    sessionId,
    name: "",
    agentType: "echo",
    status: "inactive" as const,
    createdAt: 0,
    updatedAt: 0,
    archived: false,
    lastSeq: 0,
    waitingFor: null,
  };
  const ask = {
    kind: "create_session",
    tenantId: "acme",
    row,
    userId: "ann",
    idempotency: null,
  } as const;
  await runtime.runPromise(WorkerManager.use((workers) => workers.write(ask)));
}

const append = (sessionId: string, texts: readonly string[]) =>
  Effect.gen(function* () {
    const sessions = yield* Sessions;
    const session = yield* sessions.find("acme", sessionId);
    const drafts = texts.map((text): EventDraft => ({ type: "thinking.progress", text }));
    yield* sessions.take(session, tell(...drafts));
  });

test("a session's updatedAt tells when it was used, not when the gateway came back or let its agent go", async () => {
  const dataDir = join(root, "updated-at");
  let runtime = open(new Hub(), dataDir);
  await create(runtime, "s");
  const updatedAtAfter = (step: Step) =>
    runtime.runPromise(
      Effect.gen(function* () {
        const sessions = yield* Sessions;
        const session = yield* sessions.find("acme", "s");
        yield* sessions.take(session, step);
        yield* sessions.reconcile(session);
        const page = { includeArchived: true, after: null, limit: 1 };
        const {
          sessions: [listed],
        } = yield* sessions.list("acme", page);
        const read = { kind: "get_session", tenantId: "acme", sessionId: "s" } as const;
        const row = yield* WorkerManager.use((workers) => workers.read(read));
        expect(row?.updatedAt).toBe(session.updatedAt);
        expect(listed).toMatchObject({ updatedAt: session.updatedAt });
        return { updatedAt: session.updatedAt, status: session.model.status };
      }),
    );
  const said = tell({ type: "thinking.progress", text: "hm" });
  const toReady = inOrder(moveTo("activating"), moveTo("ready"));
  expect(await updatedAtAfter(toReady)).toEqual({ updatedAt: 0, status: "ready" });
  const { updatedAt } = await updatedAtAfter(said);
  expect(updatedAt).toBeGreaterThan(0);
  expect(await updatedAtAfter(idled)).toEqual({ updatedAt, status: "inactive" });
  expect(await updatedAtAfter(toReady)).toEqual({ updatedAt, status: "ready" });
  await runtime.dispose();
  runtime = open(new Hub(), dataDir);
  expect(await updatedAtAfter(recovered)).toEqual({ updatedAt, status: "inactive" });
  await runtime.dispose();
});

test("D1 D2 whoever joins wherever gets every event after it, once, in order, whatever happens meanwhile", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
      const sessionId = `sess_${round++}`;
      const twin: string[] = [];
      let hub = new Hub();
      const dataDir = join(root, sessionId);
      let runtime = open(hub, dataDir);
      await create(runtime, sessionId);
      let published = 0;
      let readers: Reader[] = [];
      let appends: Promise<unknown>[] = [];
      const settle = async () => {
        await Promise.all([...appends, ...readers.map(({ joined }) => joined)]);
        for (const reader of readers) expectWhole(reader, twin, sessionId);
        readers = [];
        appends = [];
      };
      for (const step of commands) {
        if (step.do === "append") {
          twin.push(...step.texts);
          // Not awaited: joins run into appends that are on their way to the disk.
          const { length } = step.texts;
          appends.push(
            runtime.runPromise(append(sessionId, step.texts)).then(() => {
              published += length;
            }),
          );
        } else if (step.do === "join") {
          // A client has seen what was published, never what is still on its way.
          const afterSeq = Math.max(0, published - step.back);
          readers.push(joinAs(runtime, hub, sessionId, afterSeq));
          await Bun.sleep(0);
        } else {
          await settle();
          await runtime.dispose();
          hub = new Hub();
          runtime = open(hub, dataDir);
        }
      }
      await settle();
      await runtime.dispose();
    }),
    { numRuns: 15 },
  );
}, 60_000);

/** Stops what goes through it, until it is opened. */
class Gate {
  readonly #opened = Promise.withResolvers<void>();
  readonly open = this.#opened.resolve;
  readonly through = Effect.promise(() => this.#opened.promise);
}

const delta = (text: string): EventDraft => ({
  type: "text_delta",
  messageId: "m",
  attempt: 1,
  text,
});
const complete: Step = (model) => ({
  model,
  drafts: [{ type: "message_complete", messageId: "m", text: "one two three" }],
  rows: [
    { kind: "message", messageId: "m", turnId: null, role: "assistant", text: "one two three" },
  ],
});

test("D2 who reads while a message is completed sees its text from the beginning, or the whole", async () => {
  const [reading, answering] = [new Gate(), new Gate()];
  const stored = Promise.withResolvers<void>();
  let isHeld = false;
  const hub = new Hub();
  // The log is read, and the completion is answered, when the test says so.
  const runtime = open(hub, join(root, "completed"), (workers) => ({
    ...workers,
    read: (query) => {
      const read = workers.read(query);
      return isHeld && query.kind === "events" ? Effect.andThen(reading.through, read) : read;
    },
    write: (command, claim) => {
      const isCompletion = command.kind === "commit" && command.compacted.length > 0;
      const write = workers.write(command, claim);
      if (!isCompletion) return write;
      return write.pipe(
        Effect.tap(() => Effect.sync(stored.resolve)),
        Effect.tap(() => answering.through),
      );
    },
  }));
  await create(runtime, "s");
  const take = (step: Step) =>
    runtime.runPromise(
      Effect.gen(function* () {
        const sessions = yield* Sessions;
        yield* sessions.take(yield* sessions.find("acme", "s"), step);
      }),
    );
  await take(tell({ type: "thinking.progress", text: "hm" }, delta("one ")));
  isHeld = true;
  const reader = joinAs(runtime, hub, "s", 0);
  await Bun.sleep(10);
  await take(tell(delta("two ")));
  await take(tell(delta("three")));
  const completing = take(complete);
  await stored.promise;
  reading.open();
  // Whatever the reader does with the log as it is now, it does.
  await Bun.sleep(20);
  answering.open();
  await Promise.all([completing, reader.joined]);
  const frames = reader.socket.texts.map((text) => JSON.parse(text));
  const said = frames.filter(({ type }) => type === "text_delta").map(({ text }) => text);
  expect("one two three").toStartWith(said.join(""));
  expect(frames.at(-1)).toMatchObject({ type: "caught_up", seq: 5 });
  expect(frames.at(-2)).toMatchObject({ type: "message_complete", coversSeq: [2, 4] });
  await runtime.dispose();
});

/** A reader saw exactly the twin's tail, and `caught_up` in its place. */
function expectWhole(
  { socket, afterSeq }: Reader,
  twin: readonly string[],
  sessionId: string,
): void {
  const frames = socket.texts.map((text) => JSON.parse(text));
  expect(frames[0]).toMatchObject({ type: "state_snapshot", sessionId });
  const events = frames.filter((frame) => frame.type === "thinking.progress");
  expect(events.map(({ seq, text }) => [seq, text])).toEqual(
    twin.slice(afterSeq).map((text, index) => [afterSeq + index + 1, text]),
  );
  const caughtUp = frames.findIndex((frame) => frame.type === "caught_up");
  const before = frames.slice(0, caughtUp).filter((frame) => frame.type === "thinking.progress");
  expect(frames[caughtUp].seq).toBe(before.at(-1)?.seq ?? Math.min(afterSeq, frames[0].headSeq));
}
