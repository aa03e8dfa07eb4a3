/**
 * Owns HTTP: paths, bodies, status codes, and the upgrades to `/stream` and `/raft`. One port for all.
 * Refuses to own: what an operation does (api.ts), what a request looks like inside (parse.ts).
 */
import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import { type ErrorBody, REFUSALS } from "../shared/protocol.ts";
import { LIMITS } from "../shared/types.ts";
import type { Author, KvApi } from "./api.ts";
import type { ClusterApi } from "./cluster-api.ts";
import { clusterRoute } from "./cluster-routes.ts";
import type { Now } from "./engine.ts";
import type { Access, Keys } from "./keys.ts";
import type { Logger } from "./logger.ts";
import * as parse from "./parse.ts";
import { greetingOf } from "./peer-wire.ts";
import type { PeerSession, Peers } from "./peers.ts";
import { Refusal } from "./refusal.ts";
import type { Snapshots } from "./snapshots.ts";
import { traceIdOf } from "./trace.ts";
import { listQueryOf, type Session, type StreamHandler } from "./ws.ts";

/** Stands in for the host of an HTTP/1.0 request, which need not name one; only the path is read. */
const ANY_HOST = "http://localhost";

export interface ServerParts {
  readonly api: KvApi;
  readonly stream: StreamHandler;
  /** What only a member of a Raft group has; null over an engine that has no members. */
  readonly members: Members | null;
  readonly keys: Keys;
  readonly log: Logger;
  readonly metrics: (requests: ReadonlyMap<number, number>) => string;
}
export interface Members {
  readonly cluster: ClusterApi;
  readonly peers: Peers;
  readonly snapshots: Snapshots;
}
export interface Listening {
  readonly hostname: string;
  readonly port: number;
  stop(): Promise<void>;
}

export interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly access: Access;
}
export type Handler = (call: Call) => Now<string>;
type AnySession = Session | PeerSession;

const JSON_HEADERS = { "content-type": "application/json; charset=utf-8" };
const BASE = "/api/v1";
const DRAIN_MS = 3_000;
const NUMERIC_QUERIES = new Set(["cas", "limit", "since", "minRevision"]);
const OPEN_PATHS = new Set(["/health", "/ready", `${BASE}/health`, `${BASE}/ready`]);
/** Bun's own limit answers without a body, so ours speaks first. */
const TRANSPORT_BYTES_MAX = 8 * LIMITS.requestBytesMax;
const SNAPSHOT_PATH = "/raft/snapshot/";

export class HttpServer {
  readonly #parts: ServerParts;
  readonly #requests = new Map<number, number>();

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /** Throws what `Bun.serve` throws when the address cannot be had. */
  listen(hostname: string, port: number): Listening {
    const server = Bun.serve({
      hostname,
      port,
      maxRequestBodySize: TRANSPORT_BYTES_MAX,
      fetch: (request, bun) => this.#fetch(request, bun),
      websocket: this.#sockets(),
    });
    return {
      hostname,
      port: server.port ?? port,
      stop: async () => {
        const drained = server.stop();
        this.#parts.stream.closeAll();
        this.#parts.members?.peers.stop();
        // A reader that takes nothing, not even the goodbye, must not hold the process back.
        await Promise.race([drained, Bun.sleep(DRAIN_MS)]);
        await server.stop(true);
      },
    };
  }

  /** Both kinds of socket share one handler; the session says which it is. */
  #sockets(): WebSocketHandler<AnySession> {
    const { stream, members } = this.#parts;
    const peers = members?.peers;
    const clients = stream.handlers();
    return {
      data: {} as AnySession,
      // Peers carry a batch of whole requests as JSON inside JSON; /stream judges its own frames.
      maxPayloadLength: TRANSPORT_BYTES_MAX,
      backpressureLimit: 16 * 1_048_576,
      closeOnBackpressureLimit: true,
      idleTimeout: 120,
      sendPings: true,
      open: (socket) => onKind(socket, clients.opened, (peer) => peers?.opened(peer)),
      message: (socket, frame) =>
        onKind(
          socket,
          (client) => clients.received(client, frame),
          (peer) => peers?.received(peer, frame),
        ),
      drain: (socket) => onKind(socket, clients.drained, () => undefined),
      close: (socket) => onKind(socket, clients.closed, (peer) => peers?.closed(peer)),
    };
  }

  async #fetch(request: Request, bun: Server<AnySession>): Promise<Response | undefined> {
    const response = await this.#respond(request, bun);
    const status = response?.status ?? 101;
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
    return response;
  }

  async #respond(request: Request, bun: Server<AnySession>): Promise<Response | undefined> {
    try {
      const url = URL.parse(request.url, ANY_HOST);
      if (url === null) throw new Refusal("invalid_request", "The path or the Host is not one.");
      if (OPEN_PATHS.has(url.pathname)) return this.#probe(request, url.pathname);
      const access = this.#parts.keys.accessOf(request.headers.get("authorization"));
      if (access === null) {
        throw new Refusal("unauthorized", "Send a valid key as Authorization: Bearer <key>.");
      }
      if (url.pathname === "/stream") return upgrade(request, bun, access);
      if (url.pathname === "/raft") return this.#upgradePeer(request, bun, access);
      if (url.pathname.startsWith(SNAPSHOT_PATH)) return this.#snapshot(url.pathname, access);
      if (url.pathname === "/metrics") return this.#metrics(request);
      const handler = this.#route(request.method, url.pathname);
      return new Response(await handler({ request, url, access }), { headers: JSON_HEADERS });
    } catch (error) {
      return this.#refusal(error, request);
    }
  }

  #probe(request: Request, path: string): Response {
    only(request.method, ["GET"]);
    if (path.endsWith("/health")) return Response.json({ ok: true, service: "concordance" });
    const { missing } = this.#parts.api;
    const ready = missing.length === 0;
    return Response.json(
      { ok: ready, service: "concordance", missing },
      { status: ready ? 200 : 503 },
    );
  }

  #metrics(request: Request): Response {
    only(request.method, ["GET"]);
    const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    return new Response(this.#parts.metrics(this.#requests), { headers });
  }

  #snapshot(pathname: string, access: Access): Response {
    mayWrite(access);
    const body = this.#members().snapshots.body(pathname.slice(SNAPSHOT_PATH.length));
    if (body === null) throw new Refusal("not_found", "There is no such snapshot any more.");
    return new Response(body);
  }

  /** Whether the name is welcome is judged after the upgrade, where a reason can be given. */
  #upgradePeer(request: Request, bun: Server<AnySession>, access: Access): undefined {
    mayWrite(access);
    this.#members();
    const greeting = greetingOf(request.headers);
    const data = greeting === null ? null : { kind: "peer" as const, greeting };
    if (data !== null && bun.upgrade(request, { data })) return undefined;
    throw new Refusal("invalid_request", "/raft is for members of this cluster.");
  }

  #members(): Members {
    const { members } = this.#parts;
    if (members !== null) return members;
    const message =
      "There is no cluster here: this process keeps its data in a server of its own, which has no members to list or change. See that server's own tools.";
    throw new Refusal("no_cluster", message);
  }

  #route(method: string, pathname: string): Handler {
    const { api } = this.#parts;
    if (pathname.startsWith(`${BASE}/kv/`)) return this.#kvRoute(method, pathname);
    if (pathname === `${BASE}/batch`) {
      only(method, ["POST"]);
      return (call) => this.#batch(call);
    }
    if (pathname === `${BASE}/changes`) {
      only(method, ["GET"]);
      return ({ url }) => {
        const { query, freshness } = changesQueryOf(url);
        return api.fresh(freshness, () => api.changes(query));
      };
    }
    if (pathname.startsWith(`${BASE}/cluster/`)) {
      return clusterRoute(
        this.#members().cluster,
        method,
        pathname.slice(`${BASE}/cluster/`.length),
      );
    }
    throw new Refusal(
      "route_not_found",
      `There is no such route; under ${BASE}: kv, batch, changes, cluster.`,
    );
  }

  #kvRoute(method: string, pathname: string): Handler {
    const { api } = this.#parts;
    const target = targetOf(pathname);
    const { namespace, key } = target;
    if (key === null) {
      only(method, ["GET"]);
      return ({ url }) => {
        const query = queryOf(url, ["prefix", "limit", "cursor", ...parse.FRESHNESS_FIELDS]);
        const asked = listQueryOf({ ...query, namespace });
        return api.fresh(parse.freshnessOf(query), () => api.list(asked));
      };
    }
    only(method, ["GET", "PUT", "DELETE"]);
    if (method === "GET") {
      return ({ url }) => {
        const freshness = parse.freshnessOf(queryOf(url, parse.FRESHNESS_FIELDS));
        const [space, name] = [parse.namespaceOf(namespace), parse.keyOf(key)];
        return api.fresh(freshness, () => api.get(space, name));
      };
    }
    return (call) => {
      mayWrite(call.access);
      return method === "PUT"
        ? this.#put(call, namespace, key)
        : this.#delete(call, namespace, key);
    };
  }

  async #put({ request }: Call, namespace: string, key: string): Promise<string> {
    const accepted = ["value", "actor", "cas", "expiresAt", "ttlMs"];
    const body = parse.fieldsOf(await bodyOf(request), accepted, "The body");
    const command = parse.setOf({ ...body, namespace, key }, Date.now());
    return this.#parts.api.set(authorOf(body["actor"], request), command);
  }

  #delete({ url, request }: Call, namespace: string, key: string): Promise<string> {
    const query = queryOf(url, ["actor", "cas"]);
    const command = parse.deleteOf({ ...query, namespace, key });
    return this.#parts.api.delete(authorOf(query["actor"], request), command);
  }

  async #batch({ request, access }: Call): Promise<string> {
    mayWrite(access);
    const body = parse.fieldsOf(await bodyOf(request), ["operations", "actor"], "The body");
    const command = parse.batchOf(body["operations"], body["actor"], Date.now());
    return this.#parts.api.batch(command, requestIdOf(request));
  }

  #refusal(error: unknown, request: Request): Response {
    const traceId = traceIdOf(request.headers.get("traceparent"));
    const known = error instanceof Refusal;
    if (!known) this.#parts.log.error("request failed", { err: error, trace_id: traceId });
    const code = known ? error.code : "internal_error";
    const message = known
      ? error.message
      : "Something failed on our side; the log has the details.";
    const details = known && error.details !== undefined ? { details: error.details } : {};
    const body: ErrorBody = { error: { code, message, trace_id: traceId, ...details } };
    const { status } = REFUSALS[code];
    const headers: Record<string, string> = status === 503 ? { "retry-after": "1" } : {};
    if (known && code === "not_leader") {
      const { pathname, search } = new URL(request.url, ANY_HOST);
      headers["location"] = `http://${String(error.details?.["leader"])}${pathname}${search}`;
    }
    return Response.json(body, { status, headers });
  }
}

function upgrade(request: Request, bun: Server<AnySession>, access: Access): undefined {
  const traceId = traceIdOf(request.headers.get("traceparent"));
  const data: Session = { kind: "client", access, traceId, watcher: null };
  if (bun.upgrade(request, { data })) return undefined;
  throw new Refusal("invalid_request", "/stream speaks WebSocket; send an upgrade request.");
}

function onKind<R>(
  socket: ServerWebSocket<AnySession>,
  client: (socket: ServerWebSocket<Session>) => R,
  peer: (socket: ServerWebSocket<PeerSession>) => R,
): R {
  return socket.data.kind === "client"
    ? client(socket as ServerWebSocket<Session>)
    : peer(socket as ServerWebSocket<PeerSession>);
}

function authorOf(actor: unknown, request: Request): Author {
  return { actor: parse.actorOf(actor), requestId: requestIdOf(request) };
}

function requestIdOf(request: Request): string | undefined {
  return parse.requestIdOf(request.headers.get("idempotency-key"));
}

/** The last path segment is the key; a namespace may be one encoded segment or several plain ones. */
function targetOf(pathname: string): { readonly namespace: string; readonly key: string | null } {
  const segments = pathname.slice(`${BASE}/kv/`.length).split("/").map(decoded);
  const [namespace = ""] = segments;
  if (segments.length === 1) return { namespace, key: null };
  return { namespace: segments.slice(0, -1).join("/"), key: segments.at(-1) ?? "" };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal("invalid_request", "The path is not valid percent-encoded UTF-8.");
  }
}

function changesQueryOf(url: URL) {
  const query = queryOf(url, ["since", "limit", "namespace", ...parse.FRESHNESS_FIELDS]);
  const namespace = query["namespace"];
  const whole = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const limits = { min: 1, max: LIMITS.pageItemsMax, absent: null };
  const asked = {
    since: parse.integerOf(query["since"], "since", { ...whole, absent: 0 }) ?? 0,
    limit: parse.integerOf(query["limit"], "limit", limits),
    namespace: namespace === undefined ? null : parse.namespaceOf(namespace),
  };
  return { query: asked, freshness: parse.freshnessOf(query) };
}

/** The query as fields. Text has no types, so the names that hold numbers are read as numbers here. */
function queryOf(url: URL, accepted: readonly string[]): parse.Fields {
  const typed = [...url.searchParams].map(([name, text]) => {
    const isNumber = NUMERIC_QUERIES.has(name) && /^\d{1,16}$/.test(text);
    return [name, isNumber ? Number(text) : text] as const;
  });
  return parse.fieldsOf(Object.fromEntries(typed), accepted, "The query");
}

/** The body as JSON, read no further than the limit. */
export async function bodyOf(request: Request): Promise<unknown> {
  const tooLarge = new Refusal(
    "request_too_large",
    `The body is larger than ${LIMITS.requestBytesMax} bytes.`,
  );
  if (Number(request.headers.get("content-length") ?? 0) > LIMITS.requestBytesMax) throw tooLarge;
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length > LIMITS.requestBytesMax) throw tooLarge;
  return parse.parseJson(utf8(bytes));
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal("invalid_json", "The body is not valid UTF-8.");
  }
}

export function mayWrite(access: Access): void {
  if (access === "read_write") return;
  throw new Refusal("read_only", "This key may only read; writing needs the API key.");
}

export function only(method: string, accepted: readonly string[]): void {
  if (accepted.includes(method)) return;
  throw new Refusal("method_not_allowed", `Use ${accepted.join(" or ")} here, not ${method}.`);
}
