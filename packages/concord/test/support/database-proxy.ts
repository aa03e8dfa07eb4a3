/** Owns a TCP proxy before the test's Postgres, so that a test can take the database away and give it back. */
import { createServer, connect as dial, type Socket } from "node:net";

export interface DatabaseProxy {
  /** The same database, through the proxy. */
  readonly databaseUrl: string;
  /** Refuses new connections and cuts those that are open. */
  away(): Promise<void>;
  back(): Promise<void>;
}

export async function databaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const upstream = dial(Number(target.port), target.hostname);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      open.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    socket.pipe(upstream);
    upstream.pipe(socket);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return {
    databaseUrl: url.href,
    away: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
    back: () => listen(port),
  };
}
