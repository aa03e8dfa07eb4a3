/**
 * A process full of viewers, told by the harness what to do. What each of them sees is judged where it is seen
 * (viewer.ts); here it is summed up.
 */
import { answerParent } from "./rpc.ts";
import { type Quantiles, Samples } from "./samples.ts";
import { type Answer, type Tally, Viewer } from "./viewer.ts";

/** Connections and joins under way at a time. */
const AT_ONCE = 200;
const WRONG_TOLD_MAX = 5;

export interface Seen {
  readonly events: number;
  readonly bytes: number;
  readonly latencyMs: Quantiles;
  readonly wrong: number;
  /** The first of them. */
  readonly wrongs: readonly string[];
  /** How many were closed by the gateway, by code. */
  readonly closes: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

const viewers: Viewer[] = [];
const latency = new Samples();
let events = 0;
let bytes = 0;
let wrong = 0;
let wrongs: string[] = [];
let closes: Record<string, number> = {};
let errors: Record<string, number> = {};
/** We hang up ourselves: that is no close to be counted. */
let cutting = false;

const tally: Tally = {
  latency: (ms) => latency.add(ms),
  event: (size) => {
    events += 1;
    bytes += size;
  },
  wrong: (what) => {
    wrong += 1;
    if (wrongs.length < WRONG_TOLD_MAX) wrongs.push(what);
  },
  closed: (_, code) => {
    if (!cutting) closes[code] = (closes[code] ?? 0) + 1;
  },
  error: (code) => {
    errors[code] = (errors[code] ?? 0) + 1;
  },
};

const nowMs = () => performance.timeOrigin + performance.now();

async function each(count: number, use: (index: number) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const work = async () => {
    while (next < count) await use(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, work));
  return performance.now() - startedMs;
}

const viewerAt = (index: number): Viewer => {
  const viewer = viewers[index];
  if (viewer === undefined) throw new Error(`there is no viewer ${index}`);
  return viewer;
};

async function asked(viewer: Viewer, message: Readonly<Record<string, unknown>>): Promise<Answer> {
  const answer = await viewer.ask(message);
  if (answer.type === "error") throw new Error(`${message["type"]}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Tokens are given out in equal blocks: the first viewers get the first token. */
const tokenOf = (tokens: readonly string[], index: number, count: number): string =>
  tokens[Math.floor((index * tokens.length) / count)] ?? "";

const API = {
  /** Signs in `count` viewers; those that exist come back as they are. */
  connect: async (p: { port: number; count: number; tokens: readonly string[] }) => {
    cutting = false;
    while (viewers.length < p.count) viewers.push(new Viewer(viewers.length, tally));
    return each(p.count, (index) =>
      viewerAt(index).connect(p.port, tokenOf(p.tokens, index, p.count)),
    );
  },
  /** Viewers of a bare server, `every` in each room. */
  visit: async (p: { port: number; rooms: readonly string[]; every: number; peer: string }) => {
    const count = p.rooms.length * p.every;
    while (viewers.length < count) viewers.push(new Viewer(viewers.length, tally));
    return each(count, (index) =>
      viewerAt(index).visit(p.port, p.rooms[Math.floor(index / p.every)] ?? "", p.peer),
    );
  },
  /** Each `every`-th viewer creates a session; answers their ids. */
  create: async (p: { sessions: number; every: number }) => {
    const ids: string[] = [];
    await each(p.sessions, async (index) => {
      const ask = { type: "create_session", agentType: "bench", name: `s${index}` };
      const { session } = await asked(viewerAt(index * p.every), ask);
      ids[index] = (session as { sessionId: string }).sessionId;
    });
    return ids;
  },
  /** Viewers `from`… join in blocks of `every`: the first block the first session. */
  join: async (p: { sessions: readonly string[]; every: number; how: "start" | "cursor" }) =>
    each(p.sessions.length * p.every, (index) =>
      viewerAt(index).join(p.sessions[Math.floor(index / p.every)] ?? "", p.how),
    ),
  /** The first viewer of each session opens a turn. */
  turns: async (p: { sessions: readonly string[]; every: number; text: string }) =>
    each(p.sessions.length, (index) =>
      asked(viewerAt(index * p.every), {
        type: "run_turn",
        sessionId: p.sessions[index],
        text: p.text,
      }),
    ),
  /** One viewer's join, again and again, as if it had read up to `seq`: how long to `caught_up`. */
  rejoin: async (p: { viewers: number; rounds: number; seq: number; missed: number }) => {
    const took = new Samples();
    for (let round = 0; round < p.rounds; round += 1) {
      const viewer = viewerAt(round % p.viewers);
      viewer.rewind(p.seq);
      const before = events;
      const startedMs = performance.now();
      await viewer.join(viewer.sessionId ?? "", "cursor");
      took.add(performance.now() - startedMs);
      if (events - before !== p.missed) tally.wrong(`${events - before} of ${p.missed} came`);
    }
    return took.quantiles();
  },
  ask: (p: { viewer: number; message: Readonly<Record<string, unknown>> }) =>
    viewerAt(p.viewer).ask(p.message),
  /** One in flight on each connection; answers how many answers came in a second. */
  echo: async (p: { viewers: number; seconds: number }) => {
    let answers = 0;
    const endMs = performance.now() + p.seconds * 1_000;
    const startedMs = performance.now();
    const run = async (viewer: Viewer) => {
      for (let ts = viewer.index; performance.now() < endMs; ts += 1) {
        const answer = await asked(viewer, { type: "ping", ts });
        if (answer["ts"] !== ts || answer.type !== "pong") tally.wrong("another's pong");
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: p.viewers }, (_, index) => run(viewerAt(index))));
    return answers / ((performance.now() - startedMs) / 1_000);
  },
  /** Renames a session `count` times: the tenant is told. The name holds a mark. */
  rename: async (p: { viewer: number; sessionId: string; count: number; everyMs: number }) => {
    for (let number = 1; number <= p.count; number += 1) {
      const name = `#${number}@${nowMs().toFixed(3)};`;
      void viewerAt(p.viewer).ask({ type: "rename_session", sessionId: p.sessionId, name });
      await Bun.sleep(p.everyMs);
    }
  },
  /** Sends as fast as it can for `ms`, on a new connection whenever the gateway has closed the last. */
  flood: async (p: { port: number; token: string; ms: number }) => {
    const closed: Record<string, number> = {};
    const endMs = performance.now() + p.ms;
    while (performance.now() < endMs) {
      const code = await floodOnce(p.port, p.token, endMs);
      closed[code] = (closed[code] ?? 0) + 1;
    }
    return closed;
  },
  pause: (p: { viewer: number }) => viewerAt(p.viewer).pause(),
  resume: (p: { viewer: number }) => viewerAt(p.viewer).resume(),
  /** Hangs up on everybody at once. */
  cut: () => {
    cutting = true;
    for (const viewer of viewers) viewer.cut();
  },
  /** Where each viewer has come to. */
  places: () =>
    viewers.map(({ seq, marked, liveAtMs, lastSentAtMs }) => ({
      seq,
      marked,
      liveAtMs,
      lastSentAtMs,
    })),
  seen: (p: { reset: boolean }): Seen => {
    const latencyMs = latency.quantiles();
    const now = { events, bytes, latencyMs, wrong, wrongs, closes, errors };
    if (!p.reset) return now;
    latency.clear();
    [events, bytes, wrong] = [0, 0, 0];
    [wrongs, closes, errors] = [[], {}, {}];
    return now;
  },
};

const FLOOD_BURST = 500;

async function floodOnce(port: number, token: string, endMs: number): Promise<number> {
  let open = true;
  const { promise, resolve } = Promise.withResolvers<number>();
  const closed = (_: unknown, code: number) => {
    open = false;
    resolve(code);
  };
  const viewer = new Viewer(-1, { ...tally, event: () => {}, error: () => {}, closed });
  await viewer.connect(port, token);
  while (open && performance.now() < endMs) {
    for (let sent = 0; sent < FLOOD_BURST && open; sent += 1) viewer.send({ type: "ping" });
    await Bun.sleep(1);
  }
  if (open) viewer.cut();
  return promise;
}

export type CrowdApi = typeof API;
answerParent(API);
