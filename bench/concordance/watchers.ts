/**
 * Owns the watch rows: a paced writer, many watchers on connections of their own at the leader, and the time
 * from the start of a put to its event at the last of them. Both systems are read by the same code, which
 * looks for a mark inside the value, so the readers cost both the same; so do the writers, which are bare sockets.
 */
import { quantile } from "../support/table.ts";
import type { Board } from "./board.ts";
import { AUTHORIZATION } from "./concordance.ts";
import { etcdKey } from "./etcd.ts";
import { GrpcSocket, PUT, putMessage, WATCH, watchMessage } from "./grpc.ts";
import { keyName, type Member, NAMESPACE, type Subject, until } from "./subject.ts";
import { rawOf } from "./wrk.ts";

const PACE_MS = 5;
const WARM_UP_EVENTS = 20;
const EVENT_TIMEOUT_MS = 10_000;
const MARK = { begins: "<<", ends: ">>" } as const;
const VALUE_PADDING = "v".repeat(240);

interface Watching {
  readonly put: (value: string) => void;
  readonly close: () => void;
}
type Received = (watcher: number, event: number) => void;

export async function benchWatch(
  subject: Subject,
  watchers: 1 | 1000,
  events: number,
  board: Board,
): Promise<void> {
  const cluster = await subject.start();
  try {
    const measured = new Fanout(watchers);
    const watching = await open(subject, await cluster.leader(), watchers, measured.received);
    await measured.settle(watching);
    const lastMs: number[] = [];
    for (let event = 0; event < WARM_UP_EVENTS + events; event += 1) {
      lastMs.push(await measured.event(watching));
    }
    watching.close();
    const kept = lastMs.slice(WARM_UP_EVENTS);
    const column = subject.name === "etcd" ? "etcd gRPC" : "Concordance";
    board.record(`watch-${watchers}-p50`, column, quantile(kept, 0.5));
    board.record(`watch-${watchers}-p99`, column, quantile(kept, 0.99));
    board.record("watch-lost", column, measured.wrong);
    const figures = [0.5, 0.99].map((share) => quantile(kept, share).toFixed(2)).join(" / ");
    process.stderr.write(`${column}: ${watchers} watchers: last event p50 / p99 ${figures} ms\n`);
  } finally {
    await cluster.stop();
  }
}

/** Numbers the events, and knows who has seen which. */
class Fanout {
  readonly #seen: number[];
  readonly #watchers: number;
  #current = 0;
  #missing = 0;
  #strict = false;
  #done: () => void = () => undefined;
  wrong = 0;

  constructor(watchers: number) {
    this.#watchers = watchers;
    this.#seen = Array.from({ length: watchers }, () => 0);
  }

  readonly received: Received = (watcher, event) => {
    const before = this.#seen[watcher] ?? 0;
    if (this.#strict && event !== before + 1) this.wrong += 1;
    this.#seen[watcher] = event;
    if (event !== this.#current) return;
    this.#missing -= 1;
    if (this.#missing === 0) this.#done();
  };

  /** Writes until one event has reached everyone: from then on each must see each. */
  async settle(watching: Watching): Promise<void> {
    await until("every watcher is connected", async () => {
      this.#begin(() => undefined);
      watching.put(markedValue(this.#current));
      await Bun.sleep(500);
      return this.#missing === 0;
    });
    this.#strict = true;
  }

  /** One event: how long until the last watcher had it. */
  async event(watching: Watching): Promise<number> {
    const startedMs = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#begin(resolve);
    const late = () => reject(new Error(`${this.#missing} watchers missed an event`));
    const timer = setTimeout(late, EVENT_TIMEOUT_MS);
    watching.put(markedValue(this.#current));
    await promise;
    clearTimeout(timer);
    const tookMs = performance.now() - startedMs;
    await Bun.sleep(Math.max(0, PACE_MS - tookMs));
    return tookMs;
  }

  #begin(done: () => void): void {
    this.#current += 1;
    this.#missing = this.#watchers;
    this.#done = done;
  }
}

const markedValue = (event: number) => `${MARK.begins}${event}${MARK.ends}${VALUE_PADDING}`;

function open(
  subject: Subject,
  leader: Member,
  watchers: number,
  received: Received,
): Promise<Watching> {
  const wait = subject.name === "etcd" ? openEtcd : openConcordance;
  return wait(leader, watchers, (watcher) => marks((event) => received(watcher, event)), subject);
}

type Reader = (watcher: number) => (data: Buffer) => void;

/** Finds marks in a stream of bytes, also those cut by a chunk's end, at as little cost as may be. */
export function marks(found: (event: number) => void): (data: Buffer) => void {
  let rest: Buffer | null = null;
  return (data) => {
    const bytes: Buffer = rest === null ? data : Buffer.concat([rest, data]);
    let at = 0;
    for (;;) {
      const begins = bytes.indexOf(MARK.begins, at);
      const ends = begins === -1 ? -1 : bytes.indexOf(MARK.ends, begins);
      if (ends === -1) {
        rest = unfinished(bytes, begins);
        return;
      }
      found(Number(bytes.toString("latin1", begins + MARK.begins.length, ends)));
      at = ends + MARK.ends.length;
    }
  };
}

/** What of the bytes may be the beginning of a mark; `begins` is where one surely is. */
function unfinished(bytes: Buffer, begins: number): Buffer | null {
  if (begins !== -1) return bytes.subarray(begins);
  return bytes.at(-1) === MARK.begins.charCodeAt(0) ? bytes.subarray(-1) : null;
}

async function openEtcd(leader: Member, watchers: number, reader: Reader): Promise<Watching> {
  const writer = await GrpcSocket.open(leader.url, () => undefined);
  const sockets = await inTurn(watchers, async (watcher) => {
    const socket = await GrpcSocket.open(leader.url, reader(watcher));
    socket.call(WATCH, watchMessage(etcdKey(""), etcdKey("~")), false);
    return socket;
  });
  return {
    put: (value) => writer.call(PUT, putMessage(etcdKey(keyName(1)), value), true),
    close: () => {
      for (const socket of [writer, ...sockets]) socket.close();
    },
  };
}

async function openConcordance(
  leader: Member,
  watchers: number,
  reader: Reader,
  subject: Subject,
): Promise<Watching> {
  const { hostname, port, host } = new URL(leader.url);
  // As bare as the writer to etcd: an HTTP client of its own would be a good part of what is measured.
  const writer = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: (_, answer) => assertTaken(answer) },
  });
  const sockets = await inTurn(watchers, (watcher) => webSocket(leader, reader(watcher)));
  return {
    put: (value) => void writer.write(rawOf(subject.put(keyName(1), value), host)),
    close: () => {
      for (const socket of [writer, ...sockets]) socket.end();
    },
  };
}

function assertTaken(answer: Buffer): void {
  const first = answer.toString("latin1", 0, 15);
  if (first !== "HTTP/1.1 200 OK") throw new Error(`a put was answered with ${first}`);
}

/** A bare client: an upgrade, one masked frame that subscribes, and bytes. */
async function webSocket(leader: Member, received: (data: Buffer) => void) {
  const { hostname, port, host } = new URL(leader.url);
  const upgraded = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, data) => {
        upgraded.resolve();
        received(data);
      },
    },
  });
  const headers = [
    "GET /stream HTTP/1.1",
    `host: ${host}`,
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    `authorization: ${AUTHORIZATION.authorization}`,
  ];
  socket.write(`${headers.join("\r\n")}\r\n\r\n`);
  await upgraded.promise;
  const params = { namespace: NAMESPACE };
  const order = Buffer.from(
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "watch/subscribe", params }),
  );
  // A mask of zeroes leaves the bytes as they are.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | order.length, 0, 0, 0, 0]), order]));
  return socket;
}

async function inTurn<T>(
  count: number,
  make: (index: number) => Promise<T>,
): Promise<readonly T[]> {
  const made: T[] = [];
  for (let index = 0; index < count; index += 1) made.push(await make(index));
  return made;
}
