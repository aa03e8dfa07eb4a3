/** Owns listening: `Bun.serve` under Bun, @hono/node-server under Node, one shape for both. */
import type { config } from "@concert/service-kit";
import { serve as serveNode } from "@hono/node-server";
import type { ConcordApp } from "./app.ts";

export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when the address cannot be had (busy port). Idle streams are never cut. */
export function listen(app: ConcordApp, address: config.ListenAddress): Promise<Listening> {
  const isBun = "Bun" in globalThis;
  return isBun ? listenBun(app, address) : listenNode(app, address);
}

async function listenBun(app: ConcordApp, { host, port }: config.ListenAddress) {
  const server = Bun.serve({ hostname: host, port, fetch: app.fetch, idleTimeout: 0 });
  return { port: server.port ?? port, close: () => server.stop(true) };
}

function listenNode(app: ConcordApp, { host, port }: config.ListenAddress): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = serveNode({ fetch: app.fetch, hostname: host, port }, (info) => {
      resolve({
        port: info.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            if ("closeAllConnections" in server) server.closeAllConnections();
          }),
      });
    });
    server.on("error", reject);
  });
}
