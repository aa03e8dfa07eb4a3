/**
 * Owns `/stream`: JSON-RPC requests in, answers and `watch/change` out, one socket at a time. Requests are
 * taken up in the order they arrive: everything up to the proposal is synchronous.
 * Refuses to own: what an operation does (api.ts), delivery order and pace (watch.ts).
 */
import type { ServerWebSocket } from "bun";
import { CLOSE, REFUSALS, type RpcId } from "../shared/protocol.ts";
import type { StoredChange } from "../shared/store.ts";
import { KEYS_NAMESPACE, LIMITS } from "../shared/types.ts";
import type { Author, KvApi } from "./api.ts";
import { Audience } from "./audience.ts";
import { type Now, whenThere } from "./engine.ts";
import { type Caller, type Keys, mayWrite } from "./keys.ts";
import type { Logger } from "./logger.ts";
import * as parse from "./parse.ts";
import { Refusal } from "./refusal.ts";
import { keysOf, requestOf } from "./rpc-request.ts";
import { takingTurns } from "./turns.ts";
import {
  ALL_BUFFERED_BYTES_MAX,
  latestOf,
  SUBSCRIPTIONS_MAX,
  type Surroundings,
  WATCH_LIMITS,
  Watcher,
  type WatchLimits,
} from "./watch.ts";

export interface Session {
  readonly kind: "client";
  readonly caller: Caller;
  readonly traceId: string;
  watcher: Watcher | null;
}
type Socket = ServerWebSocket<Session>;
/** A session that is open: it has its watcher. */
interface Asking {
  readonly caller: Caller;
  readonly watcher: Watcher;
}
interface Method {
  /** Parameters it knows; any other is refused. */
  readonly fields: readonly string[];
  readonly writes: boolean;
  readonly run: (params: parse.Fields, session: Asking) => Now<string>;
}

const REQUEST_ID = "requestId";

export class StreamHandler {
  readonly #api: KvApi;
  readonly #keys: Keys;
  readonly #log: Logger;
  readonly #limits: WatchLimits;
  readonly #sockets = new Set<Socket>();
  readonly #audience: Audience;
  readonly #around: Surroundings;
  readonly #methods: ReadonlyMap<string, Method>;

  constructor(api: KvApi, keys: Keys, log: Logger, limits: WatchLimits = WATCH_LIMITS) {
    this.#api = api;
    this.#keys = keys;
    this.#log = log;
    this.#limits = limits;
    const audience = new Audience(api.feed.position.revision);
    this.#audience = audience;
    this.#around = {
      lastChangeOf: (root) => audience.lastChangeOf(root),
      inTurn: takingTurns(),
    };
    this.#methods = this.#methodTable();
  }

  get sockets(): number {
    return this.#sockets.size;
  }
  get subscriptions(): number {
    return [...this.#sockets].reduce(
      (sum, { data }) => sum + (data.watcher?.subscriptions ?? 0),
      0,
    );
  }

  /** Hands the changes of one apply to every socket; none says that the state was replaced. */
  publish(changes: readonly StoredChange[]): void {
    const latest = latestOf(this.#api.published(changes));
    const keysChanged = changes.some(({ namespace }) => namespace === KEYS_NAMESPACE);
    if (keysChanged || latest === null) this.#dropRevoked();
    if (latest !== null) {
      this.#audience.tell(changes, latest);
      return;
    }
    this.#audience.forget(this.#api.feed.position.revision);
    for (const { data } of this.#sockets) data.watcher?.pump(null);
  }

  #dropRevoked(): void {
    for (const socket of this.#sockets) this.#dropIfRevoked(socket);
  }

  /** A socket opened with a key that is gone is told no more (pitfall 39). */
  #dropIfRevoked(socket: Socket): void {
    const { caller, watcher } = socket.data;
    if (caller.scope === null) return;
    const judge = (isGood: boolean) => {
      if (isGood) return;
      this.#sockets.delete(socket);
      watcher?.stop();
      socket.close(CLOSE.keyRevoked, "the key was revoked, or its time is over");
    };
    const good = this.#keys.isGood(caller);
    if (good instanceof Promise) void good.then(judge, () => undefined);
    else judge(good);
  }

  /** No leader has been heard for long: other members may know of changes that never come here (pitfall 12). */
  sendWatchersAway(): void {
    for (const socket of this.#sockets) {
      const { watcher } = socket.data;
      if (watcher === null || watcher.subscriptions === 0) continue;
      watcher.stop();
      socket.close(CLOSE.tryAgain, "no leader is known here; watch another member");
    }
  }

  /**
   * Bounds the memory of all readers together: however many stop reading, those that hold most are cut off. A
   * goodbye would wait behind what they do not read; they resume from what they have. Call it now and then.
   */
  relieve(bytesMax: number = ALL_BUFFERED_BYTES_MAX): void {
    const held = [...this.#sockets].map((socket) => [socket, socket.getBufferedAmount()] as const);
    let sum = held.reduce((total, [, bytes]) => total + bytes, 0);
    if (sum <= bytesMax) return;
    for (const [socket, bytes] of held.toSorted(([, a], [, b]) => b - a)) {
      if (sum <= bytesMax) return;
      socket.data.watcher?.stop();
      socket.terminate();
      sum -= bytes;
    }
  }

  /** Cursors may be of a history that is no more; each socket begins again. */
  closeAll(): void {
    this.#audience.forget(this.#api.feed.position.revision);
    for (const socket of this.#sockets) socket.close(CLOSE.goingAway, "the node is stopping");
  }

  /** What the server calls for a socket of `/stream`. */
  handlers() {
    return {
      opened: (socket: Socket) => {
        socket.data.watcher = new Watcher(socket, this.#api.feed, this.#limits, this.#around);
        this.#sockets.add(socket);
        // The key may have gone between the upgrade and this.
        this.#dropIfRevoked(socket);
      },
      received: (socket: Socket, frame: string | Buffer) => this.#receive(socket, frame),
      drained: (socket: Socket) => socket.data.watcher?.pump(null),
      closed: (socket: Socket) => {
        this.#sockets.delete(socket);
        const { watcher } = socket.data;
        watcher?.stop();
        for (const namespace of watcher?.namespaces ?? []) {
          if (watcher !== null) this.#audience.leave(watcher, namespace);
        }
      },
    };
  }

  #receive(socket: Socket, frame: string | Buffer): void {
    if (typeof frame !== "string") {
      socket.close(CLOSE.binaryFrame, "send JSON-RPC 2.0 as text frames");
      return;
    }
    if (Buffer.byteLength(frame) > LIMITS.requestBytesMax) {
      socket.close(CLOSE.tooBig, `a frame holds at most ${LIMITS.requestBytesMax} bytes`);
      return;
    }
    let id: RpcId | null = null;
    try {
      const request = requestOf(parse.parseJson(frame));
      id = request.id;
      const answer = this.#call(socket, request.method, request.params);
      if (typeof answer === "string") this.#answer(socket, request.id, answer);
      else void this.#answerLater(socket, request.id, answer);
    } catch (error) {
      this.#refuse(socket, id, error);
    }
  }

  #call(socket: Socket, name: string, params: unknown): Now<string> {
    const method = this.#methods.get(name);
    if (method === undefined) {
      const known = [...this.#methods.keys()].join(", ");
      throw new Refusal("unknown_method", `There is no such method; accepted: ${known}.`);
    }
    const { caller, watcher } = socket.data;
    if (method.writes) mayWrite(caller);
    if (watcher === null) throw new Error("a socket has its watcher from open to close");
    return method.run(parse.fieldsOf(params, method.fields, "params"), { caller, watcher });
  }

  #answer(socket: Socket, id: RpcId, result: string): void {
    socket.send(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`);
    socket.data.watcher?.pump(null);
  }

  async #answerLater(socket: Socket, id: RpcId, answer: Promise<string>): Promise<void> {
    try {
      this.#answer(socket, id, await answer);
    } catch (error) {
      this.#refuse(socket, id, error);
    }
  }

  #refuse(socket: Socket, id: RpcId | null, error: unknown): void {
    const known = error instanceof Refusal;
    if (!known)
      this.#log.error("stream request failed", { err: error, trace_id: socket.data.traceId });
    const code = known ? error.code : "internal_error";
    const message = known
      ? error.message
      : "Something failed on our side; the log has the details.";
    const data = { code, trace_id: socket.data.traceId, ...(known ? error.details : {}) };
    const body = { jsonrpc: "2.0", id, error: { code: REFUSALS[code].rpc, message, data } };
    socket.send(JSON.stringify(body));
  }

  #methodTable(): ReadonlyMap<string, Method> {
    const api = this.#api;
    const read = (fields: readonly string[], run: Method["run"]) => ({
      fields,
      writes: false,
      run,
    });
    const write = (fields: readonly string[], run: Method["run"]) => ({
      fields,
      writes: true,
      run,
    });
    const setFields = [
      "namespace",
      "key",
      "value",
      "actor",
      "cas",
      "expiresAt",
      "ttlMs",
      REQUEST_ID,
    ];
    return new Map<string, Method>([
      [
        "kv/get",
        read(["namespace", "key", ...parse.FRESHNESS_FIELDS], (p, { caller }) => {
          const [namespace, key] = [parse.namespaceOf(p["namespace"]), parse.keyOf(p["key"])];
          return api.fresh(caller, parse.freshnessOf(p), () => api.get(caller, namespace, key));
        }),
      ],
      [
        "kv/list",
        read(
          ["namespace", "prefix", "limit", "cursor", ...parse.FRESHNESS_FIELDS],
          (p, { caller }) => {
            const query = parse.listQueryOf(p);
            return api.fresh(caller, parse.freshnessOf(p), () => api.list(caller, query));
          },
        ),
      ],
      [
        "kv/mget",
        read(["keys", ...parse.FRESHNESS_FIELDS], (p, { caller }) => {
          const keys = keysOf(p["keys"]);
          return api.fresh(caller, parse.freshnessOf(p), () => api.getMany(caller, keys));
        }),
      ],
      [
        "kv/set",
        write(setFields, (p, { caller }) =>
          api.set(authorOf(p, caller), parse.setOf(p, Date.now())),
        ),
      ],
      [
        "kv/delete",
        write(["namespace", "key", "actor", "cas", REQUEST_ID], (p, { caller }) =>
          api.delete(authorOf(p, caller), parse.deleteOf(p)),
        ),
      ],
      [
        "kv/batch",
        write(["operations", "actor", REQUEST_ID], (p, { caller }) =>
          api.batch(authorOf(p, caller), parse.batchOf(p["operations"], Date.now())),
        ),
      ],
      [
        "watch/subscribe",
        read(["namespace", "prefix", "fromRevision", "initial"], (p, asking) =>
          this.#subscribe(p, asking),
        ),
      ],
      ["ping", read([], () => JSON.stringify({ missing: api.missing }))],
      ["watch/unsubscribe", read(["namespace"], (p, { watcher }) => this.#unsubscribe(p, watcher))],
    ]);
  }

  /** The answer leaves before the first change: `#answer` pumps after sending it. */
  #subscribe(params: parse.Fields, { caller, watcher }: Asking): Now<string> {
    const query = parse.watchQueryOf(params);
    const { namespace, prefix } = query;
    assertRoom(watcher, namespace);
    return whenThere(this.#api.watchFrom(caller, query), ({ fromRevision, items }) => {
      // Asked again, since another subscription may have come while this one waited.
      assertRoom(watcher, namespace);
      watcher.subscribe(namespace, fromRevision, prefix);
      this.#audience.join(watcher, namespace);
      const facts = JSON.stringify({ namespace, fromRevision, clusterId: this.#api.clusterId });
      return items === null ? facts : `${facts.slice(0, -1)},"items":${items}}`;
    });
  }

  #unsubscribe(params: parse.Fields, watcher: Watcher): string {
    const namespace = parse.namespaceOf(params["namespace"]);
    if (!watcher.unsubscribe(namespace)) {
      throw new Refusal("not_found", `This socket does not watch ${namespace}.`);
    }
    this.#audience.leave(watcher, namespace);
    return JSON.stringify({ namespace });
  }
}

/** Throws unless the socket may watch `namespace` too. */
function assertRoom(watcher: Watcher, namespace: string): void {
  const overlap = watcher.overlapping(namespace);
  if (overlap !== null) {
    const why = `This socket already watches ${overlap}, which overlaps; unsubscribe it first.`;
    throw new Refusal("invalid_request", why);
  }
  if (watcher.subscriptions >= SUBSCRIPTIONS_MAX) {
    throw new Refusal("invalid_request", `A socket holds at most ${SUBSCRIPTIONS_MAX} watches.`);
  }
}

function authorOf(params: parse.Fields, caller: Caller): Author {
  return {
    caller,
    actor: parse.actorOf(params["actor"]),
    requestId: parse.requestIdOf(params[REQUEST_ID]),
  };
}
