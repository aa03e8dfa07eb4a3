/**
 * Owns the port: routes, status codes, refusals, and the upgrades to `/stream` and `/raft`. One port for all.
 * Refuses to own: what a route does (*-routes.ts), reading a request (http.ts).
 */
import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import { type ErrorBody, REFUSALS } from "../shared/protocol.ts";
import { LIMITS } from "../shared/types.ts";
import type { KvApi } from "./api.ts";
import type { ClusterApi } from "./cluster-api.ts";
import { clusterRoute } from "./cluster-routes.ts";
import type { EncryptionApi } from "./encryption-api.ts";
import { type Now, whenThere } from "./engine.ts";
import { type Call, type Handler, only } from "./http.ts";
import type { KeyApi } from "./key-api.ts";
import { encryptionRoute, keyRoute, keysRoute } from "./key-routes.ts";
import { type Caller, type Keys, mayAdminister, mayReachAll } from "./keys.ts";
import { batchRoute, changesRoute, kvRoute } from "./kv-routes.ts";
import type { Logger } from "./logger.ts";
import { greetingOf } from "./peer-wire.ts";
import type { PeerSession, Peers } from "./peers.ts";
import { Refusal } from "./refusal.ts";
import type { Snapshots } from "./snapshots.ts";
import { behindTheFront, listenTls } from "./tls-front.ts";
import { traceIdOf } from "./trace.ts";
import type { Transport } from "./transport.ts";
import type { Session, StreamHandler } from "./ws.ts";

/** Stands in for the host of an HTTP/1.0 request, which need not name one; only the path is read. */
const ANY_HOST = "http://localhost";

export interface ServerParts {
  readonly api: KvApi;
  readonly stream: StreamHandler;
  /** What only a member of a Raft group has; null over an engine that has no members. */
  readonly members: Members | null;
  readonly transport: Transport;
  readonly keys: Keys;
  readonly tenantKeys: KeyApi;
  readonly encryption: EncryptionApi;
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

type AnySession = Session | PeerSession;

const JSON_INIT = { headers: { "content-type": "application/json; charset=utf-8" } };
const BASE = "/api/v1";
const ROUTE = /^\/api\/v1\/([a-z]+)(\/.*)?$/s;
const DRAIN_MS = 3_000;
/** Short enough that readers who stop cannot fill much in between. */
const RELIEVE_MS = 250;
/** Beyond what a request asked to wait. */
const PATIENCE_S = 10;
const OPEN_PATHS = new Set(["/health", "/ready", `${BASE}/health`, `${BASE}/ready`]);
/** Bun's own limit answers without a body, so ours speaks first. */
const TRANSPORT_BYTES_MAX = 8 * LIMITS.requestBytesMax;
const BACKUP_PATH = "/api/v1/cluster/snapshot";
/** Copying a large state takes a while, before the first byte. */
const BACKUP_TIMEOUT_S = 240;
const SNAPSHOT_PATH = "/raft/snapshot/";
const MEMBERS_ONLY = /^\/raft(\/|$)/;

export class HttpServer {
  readonly #parts: ServerParts;
  readonly #requests = new Map<number, number>();
  #relieving: ReturnType<typeof setInterval> | undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /** Rejects with what the system says when the address cannot be had. */
  async listen(hostname: string, port: number): Promise<Listening> {
    const { tls } = this.#parts.transport;
    this.#relieving = setInterval(() => this.#parts.stream.relieve(), RELIEVE_MS);
    if (tls === null) {
      const server = this.#serve({ hostname, port }, true);
      return { hostname, port: server.port ?? port, stop: () => this.#stop([server]) };
    }
    const behind = behindTheFront();
    const clients = this.#serve({ unix: behind.clients }, tls.peerCa === null);
    const peers = this.#serve({ unix: behind.peers }, true);
    const stopServing = async () => {
      await this.#stop([clients, peers]);
      behind.remove();
    };
    try {
      const front = await listenTls(hostname, port, tls, behind);
      const stop = () => stopServing().finally(() => front.stop());
      return { hostname, port: front.port, stop };
    } catch (error) {
      await stopServing();
      throw error;
    }
  }

  /** `forMembers`: whether other members may connect here. */
  #serve(where: { hostname: string; port: number } | { unix: string }, forMembers: boolean) {
    return Bun.serve({
      ...where,
      maxRequestBodySize: TRANSPORT_BYTES_MAX,
      fetch: (request: Request, bun: Server<AnySession>) => this.#fetch(request, bun, forMembers),
      websocket: this.#sockets(),
    } as Bun.Serve.Options<AnySession>);
  }

  async #stop(servers: readonly Server<AnySession>[]): Promise<void> {
    clearInterval(this.#relieving);
    const drained = Promise.all(servers.map((server) => server.stop()));
    this.#parts.api.endWaits();
    this.#parts.stream.closeAll();
    this.#parts.members?.peers.stop();
    // A reader that takes nothing, not even the goodbye, must not hold the process back.
    await Promise.race([drained, Bun.sleep(DRAIN_MS)]);
    await Promise.all(servers.map((server) => server.stop(true)));
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

  /** At once where nothing has to be waited for: most reads are answered in the turn that brought them. */
  #fetch(
    request: Request,
    bun: Server<AnySession>,
    forMembers: boolean,
  ): Now<Response | undefined> {
    try {
      const response = this.#respond(request, bun, forMembers);
      return response instanceof Promise
        ? this.#fetchLater(request, response)
        : this.#counted(response);
    } catch (error) {
      return this.#counted(this.#refusal(error, request));
    }
  }

  async #fetchLater(
    request: Request,
    response: Promise<Response | undefined>,
  ): Promise<Response | undefined> {
    try {
      return this.#counted(await response);
    } catch (error) {
      return this.#counted(this.#refusal(error, request));
    }
  }

  #counted(response: Response | undefined): Response | undefined {
    const status = response?.status ?? 101;
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
    return response;
  }

  #respond(
    request: Request,
    bun: Server<AnySession>,
    forMembers: boolean,
  ): Now<Response | undefined> {
    const url = URL.parse(request.url, ANY_HOST);
    if (url === null) throw new Refusal("invalid_request", "The path or the Host is not one.");
    if (OPEN_PATHS.has(url.pathname)) return this.#probe(request, url.pathname);
    const found = this.#parts.keys.callerOf(request.headers.get("authorization"));
    return whenThere(found, (caller) => {
      if (caller !== null) return this.#serveCaller({ request, url, caller }, bun, forMembers);
      throw new Refusal("unauthorized", "Send a valid key as Authorization: Bearer <key>.");
    });
  }

  #serveCaller(
    { request, url, caller }: Omit<Call, "mayTakeMs">,
    bun: Server<AnySession>,
    forMembers: boolean,
  ): Now<Response | undefined> {
    const { pathname } = url;
    if (pathname === "/stream") return upgrade(request, bun, caller);
    if (!forMembers && MEMBERS_ONLY.test(pathname)) throw needsCertificate();
    if (pathname === "/raft") return this.#upgradePeer(request, bun, caller);
    if (pathname.startsWith(SNAPSHOT_PATH)) return this.#snapshot(pathname, caller);
    if (pathname === BACKUP_PATH) return this.#backup(request, bun, caller);
    if (pathname === "/metrics") return this.#metrics(request, caller);
    const handler = this.#route(request.method, pathname);
    const mayTakeMs = (ms: number) => {
      if (ms > 0) bun.timeout(request, Math.ceil(ms / 1_000) + PATIENCE_S);
    };
    return whenThere(handler({ request, url, caller, mayTakeMs }), jsonResponse);
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

  #metrics(request: Request, caller: Caller): Response {
    mayReachAll(caller);
    only(request.method, ["GET"]);
    const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    return new Response(this.#parts.metrics(this.#requests), { headers });
  }

  #snapshot(pathname: string, caller: Caller): Response {
    mayAdminister(caller);
    const body = this.#members().snapshots.body(pathname.slice(SNAPSHOT_PATH.length));
    if (body === null) throw new Refusal("not_found", "There is no such snapshot any more.");
    return new Response(body);
  }

  async #backup(request: Request, bun: Server<AnySession>, caller: Caller): Promise<Response> {
    only(request.method, ["GET"]);
    mayAdminister(caller);
    bun.timeout(request, BACKUP_TIMEOUT_S);
    const backup = await this.#members().cluster.backup();
    const name = `concordance-${new Date().toISOString().replace(/[:.]/g, "-")}.backup`;
    const disposition = `attachment; filename="${name}"`;
    const headers = {
      "content-type": "application/octet-stream",
      "content-disposition": disposition,
    };
    return new Response(backup, { headers });
  }

  /** Whether the name is welcome is judged after the upgrade, where a reason can be given. */
  #upgradePeer(request: Request, bun: Server<AnySession>, caller: Caller): undefined {
    mayAdminister(caller);
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
    const { api, tenantKeys, encryption } = this.#parts;
    const [, room = "", rest = ""] = ROUTE.exec(pathname) ?? [];
    if (room === "kv" && rest !== "") return kvRoute(api, method, rest.slice(1));
    if (room === "cluster") return clusterRoute(this.#members().cluster, method, rest.slice(1));
    if (room === "encryption") return encryptionRoute(encryption, method, rest);
    if (room === "keys" && rest !== "") return keyRoute(tenantKeys, method, rest.slice(1));
    if (rest === "" && room === "keys") return keysRoute(tenantKeys, method);
    if (rest === "" && room === "batch") return batchRoute(api, method);
    if (rest === "" && room === "changes") return changesRoute(api, method);
    const rooms = "kv, batch, changes, cluster, keys, encryption";
    throw new Refusal("route_not_found", `There is no such route; under ${BASE}: ${rooms}.`);
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
      const { http } = this.#parts.transport;
      headers["location"] = `${http}://${String(error.details?.["leader"])}${pathname}${search}`;
    }
    return Response.json(body, { status, headers });
  }
}

function upgrade(request: Request, bun: Server<AnySession>, caller: Caller): undefined {
  const traceId = traceIdOf(request.headers.get("traceparent"));
  const data: Session = { kind: "client", caller, traceId, watcher: null };
  if (bun.upgrade(request, { data })) return undefined;
  throw new Refusal("invalid_request", "/stream speaks WebSocket; send an upgrade request.");
}

function jsonResponse(text: string): Response {
  return new Response(text, JSON_INIT);
}

function needsCertificate(): Refusal {
  const message = "Members connect with a certificate that the CA of --tls-peer-ca signed.";
  return new Refusal("unauthorized", message);
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
