/**
 * Owns the Bun adapter: one port for HTTP and `/ws`, native pub/sub, sockets as `Connection`s. The only file
 * that calls `Bun.serve`. Refuses to own: what requests and messages mean.
 */
import type { ListenAddress } from "@concert/service-kit/config";
import type { Server } from "bun";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import { v7 as uuidv7 } from "uuid";
import { FRAME_BYTES_MAX } from "../protocol/index.ts";
import { ANY_HOST } from "./any-host.ts";
import { Connection, type SocketData, WAITING_BYTES_MAX } from "./Connection.ts";

/** Frames a little over the protocol's limit are explained; beyond this Bun closes with 1009. */
const TRANSPORT_BYTES_MAX = FRAME_BYTES_MAX * 2;
/** Bun's own brake, for bursts inside one turn of the event loop; ours comes first. */
const BACKPRESSURE_BYTES_MAX = WAITING_BYTES_MAX * 8;
const CONNECTIONS_MAX = 20_000;
/** Seconds without a byte either way; Bun pings a quiet client well before. */
const IDLE_TIMEOUT_SECONDS = 120;

export interface Handlers {
  readonly http: (request: Request, address: string) => Promise<Response>;
  /** A refusal, or null to let the client in. */
  readonly admit: (request: Request) => Response | null;
  readonly opened: (connection: Connection) => void;
  readonly received: (connection: Connection, frame: string | null) => void;
  readonly closed: (connection: Connection) => void;
  readonly slow: () => void;
}

export interface ServeOptions {
  readonly listen: ListenAddress;
  readonly trustProxy: boolean;
  /** Of one connection in one window. */
  readonly messagesMax: number;
}

export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  cause: Schema.Unknown,
}) {}

export class SocketServer extends Context.Service<
  SocketServer,
  {
    /** Starts to listen; answers the port. */
    readonly start: (
      options: ServeOptions,
      handlers: Handlers,
    ) => Effect.Effect<number, ListenError>;
    /** To every socket subscribed to `topic`. Synchronous: order of calls is order on the wire. */
    readonly publish: (topic: string, text: string) => void;
    /** Hears `topic` without a socket; the result ends it. */
    readonly listen: (topic: string, listener: (text: string) => void) => () => void;
    readonly connections: ReadonlySet<Connection>;
    /** From now on nobody new comes in. */
    readonly refuseNewcomers: Effect.Effect<void>;
  }
>()("diminuendo/transport/SocketServer") {
  static readonly layer = Layer.effect(
    SocketServer,
    Effect.gen(function* () {
      const connections = new Set<Connection>();
      const listeners = new Map<string, Set<(text: string) => void>>();
      let server: Server<SocketData> | null = null;
      let open = true;
      yield* Effect.addFinalizer(() => Effect.promise(async () => server?.stop(true)));
      return SocketServer.of({
        connections,
        publish: (topic, text) => {
          server?.publish(topic, text);
          for (const listen of listeners.get(topic) ?? []) listen(text);
        },
        listen: (topic, listener) => {
          const those = listeners.get(topic) ?? new Set();
          listeners.set(topic, those.add(listener));
          return () => {
            if (those.delete(listener) && those.size === 0) listeners.delete(topic);
          };
        },
        refuseNewcomers: Effect.sync(() => {
          open = false;
        }),
        start: (options, handlers) =>
          Effect.try({
            try: () => {
              const mayEnter = () => open && connections.size < CONNECTIONS_MAX;
              server = serve(options, handlers, connections, mayEnter);
              return server.port ?? 0;
            },
            catch: (cause) => new ListenError({ cause }),
          }),
      });
    }),
  );
}

/** The last hop before our proxy; what stands before it, anybody may have written. */
function addressOf(request: Request, peer: string, trustProxy: boolean): string {
  if (!trustProxy) return peer;
  return request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() || peer;
}

function serve(
  { listen: at, trustProxy, messagesMax }: ServeOptions,
  handlers: Handlers,
  connections: Set<Connection>,
  mayEnter: () => boolean,
): Server<SocketData> {
  return Bun.serve<SocketData>({
    hostname: at.host,
    port: at.port,
    idleTimeout: 60,
    async fetch(request, server) {
      const peer = server.requestIP(request)?.address ?? "";
      const address = addressOf(request, peer, trustProxy);
      if (URL.parse(request.url, ANY_HOST)?.pathname !== "/ws") {
        return handlers.http(request, address);
      }
      if (!mayEnter())
        return new Response("The gateway takes no new connections now.", { status: 503 });
      const refusal = handlers.admit(request);
      if (refusal !== null) return refusal;
      const data: SocketData = { connection: null, clientId: uuidv7(), address };
      if (server.upgrade(request, { data })) return undefined;
      return new Response("Open a WebSocket here.", { status: 426 });
    },
    websocket: {
      maxPayloadLength: TRANSPORT_BYTES_MAX,
      backpressureLimit: BACKPRESSURE_BYTES_MAX,
      closeOnBackpressureLimit: true,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      sendPings: true,
      perMessageDeflate: false,
      open(socket) {
        const connection = new Connection(socket, messagesMax, handlers.slow);
        socket.data.connection = connection;
        connections.add(connection);
        handlers.opened(connection);
      },
      message({ data }, frame) {
        if (data.connection === null || data.connection.isClosed) return;
        handlers.received(data.connection, typeof frame === "string" ? frame : null);
      },
      drain: ({ data }) => data.connection?.drained(),
      close({ data: { connection } }) {
        if (connection === null) return;
        connection.closed();
        connections.delete(connection);
        handlers.closed(connection);
      },
    },
  });
}
