/** Owns the handlers that a Restate server calls: one workflow for each body, with a door for its signals. */
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import {
  CancelledError,
  createEndpointHandler,
  handlers,
  type LoggerTransport,
  TerminalError,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from "@restatedev/restate-sdk";
import type { ClientBase, Pool } from "pg";
import type { Logger } from "pino";
import type { Json } from "../../core/json.ts";
import type { WorkflowBody } from "../protocol/index.ts";
import { promiseName, restateContext, takenName } from "./context.ts";
import { scheduleServices, type Tick } from "./schedule-service.ts";
import { ensureWithResolvers } from "./with-resolvers.ts";

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface Signal {
  readonly topic: string;
  readonly payload: Json;
}

const RETENTION_DAYS = 7;
const ALREADY_DONE = 409;

export interface EndpointParts {
  readonly bodies: ReadonlyMap<string, WorkflowBody<ClientBase>>;
  readonly pool: Pool;
  readonly tick: Tick;
  readonly log: Logger;
}

function workflowService(name: string, body: WorkflowBody<ClientBase>, pool: Pool) {
  return workflow({
    name,
    options: { workflowRetention: { days: RETENTION_DAYS } },
    handlers: {
      run: async (context: WorkflowContext, input: Json): Promise<Json> => {
        try {
          return await body(restateContext(context, pool), input);
        } catch (error) {
          if (error instanceof CancelledError || error instanceof TerminalError) throw error;
          // A body that throws has failed; the engine must not begin it again.
          throw new TerminalError(error instanceof Error ? error.message : String(error));
        }
      },
      signal: handlers.workflow.shared(async (context: WorkflowSharedContext, one: Signal) => {
        const taken = (await context.get<number>(takenName(one.topic))) ?? 0;
        for (let number = taken; ; number += 1) {
          try {
            return await context.promise<Json>(promiseName(one.topic, number)).resolve(one.payload);
          } catch (error) {
            // Another signal has this number; the next one may be free.
            if (error instanceof TerminalError && error.code === ALREADY_DONE) continue;
            throw error;
          }
        }
      }),
    },
  });
}

/** Serves on `listen` until `close`, which cuts what is in flight: Restate calls again. */
export async function serveEndpoint(
  { bodies, pool, tick, log }: EndpointParts,
  { host, port }: Listen,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  ensureWithResolvers();
  const services = [
    ...[...bodies].map(([name, body]) => workflowService(name, body, pool)),
    ...scheduleServices(tick),
  ];
  const server = createServer(createEndpointHandler({ services, logger: quiet(log) }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  await listening(server, host, port);
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${host}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

function listening(server: Http2Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });
}

/** Restate speaks through our log; what it says about one attempt is debug detail for us. */
function quiet(log: Logger): LoggerTransport {
  return (metadata, message, ...more) => {
    const details = { restate: true, target: metadata.context?.invocationTarget };
    log.debug({ ...details, more: more.map(String) }, String(message));
  };
}
