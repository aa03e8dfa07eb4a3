/** Owns the listener: one port for HTTP (`api/`) and the native socket (`socket/`). */
import { ApiError, errorBody, joinTrace, type Logger } from "@concert/service-kit";
import type { PodiumApp } from "./api/app.ts";
import type { AgentSockets, SocketState } from "./socket/agent-socket.ts";

export interface ServerNeeds {
  readonly host: string;
  readonly port: number;
  readonly app: PodiumApp;
  readonly sockets: AgentSockets;
  readonly log: Logger;
}

export type PodiumServer = Bun.Server<SocketState>;

/** Starts listening. Throws when the port is taken. */
export function serve({ host, port, app, sockets, log }: ServerNeeds): PodiumServer {
  return Bun.serve<SocketState>({
    hostname: host,
    port,
    // A thought may be silent for minutes; whoever asks sets its own limit.
    idleTimeout: 0,
    websocket: sockets.handler,
    fetch: async (request, server) => {
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return app.fetch(request);
      const { traceId } = joinTrace(request.headers.get("traceparent"));
      try {
        const admission = await sockets.admit(request);
        if (admission === undefined) return app.fetch(request);
        const data = {
          ...admission,
          reader: undefined,
          handling: Promise.resolve(),
          pendingFrames: 0,
        };
        if (server.upgrade(request, { data })) return undefined;
        throw new ApiError(400, "invalid_request", "The WebSocket handshake is not complete.");
      } catch (error) {
        const { status, body } = errorBody(error, traceId);
        if (status >= 500) log.error({ err: error, trace_id: traceId }, "upgrade failed");
        return Response.json(body, { status, headers: { "x-trace-id": traceId } });
      }
    },
  });
}
