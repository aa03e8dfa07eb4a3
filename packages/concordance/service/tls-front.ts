/**
 * Owns the TLS end of the one port. What arrives is decrypted and handed on to a listener behind it, over a
 * socket in a directory of this user alone: connections with a certificate of the members' CA to the one that
 * serves members, all others to the one that does not. Our HTTP server does not tell whose certificate a
 * request came with, so the connection itself is sorted. Refuses to own: what is served (server.ts).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import type { TlsTexts } from "./transport.ts";

export interface TlsFront {
  readonly port: number;
  stop(): void;
}
/** Where the listeners behind are to be found, by socket path. */
export interface Behind {
  readonly clients: string;
  readonly peers: string;
  remove(): void;
}

const HANDSHAKE_MS = 10_000;

/** A place for the two sockets that only this user can enter. */
export function behindTheFront(): Behind {
  const folder = mkdtempSync(join(tmpdir(), "concordance-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { clients: join(folder, "clients"), peers: join(folder, "peers"), remove };
}

/** Resolves once it listens. Rejects when the address cannot be had. */
export async function listenTls(
  hostname: string,
  port: number,
  { cert, key, peerCa }: TlsTexts,
  behind: Behind,
): Promise<TlsFront> {
  const asks = peerCa === null ? {} : { ca: peerCa, requestCert: true, rejectUnauthorized: false };
  const options = { cert, key, ...asks, handshakeTimeout: HANDSHAKE_MS };
  const open = new Set<Socket>();
  const front = createServer(options, (socket) => {
    const isPeer = peerCa === null || socket.authorized;
    handOn(socket, isPeer ? behind.peers : behind.clients, open);
  });
  // Whoever does not complete the handshake is dropped by it.
  front.on("tlsClientError", (_error, socket) => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    front.once("error", reject);
    front.listen(port, hostname, resolve);
  });
  const address = front.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  const stop = () => {
    front.close();
    for (const socket of open) socket.destroy();
  };
  return { port: bound, stop };
}

/** Both directions, each only as fast as the other end reads; when one end is gone, so is the other. */
function handOn(outside: TLSSocket, path: string, open: Set<Socket>): void {
  const inside = connect(path);
  open.add(outside);
  outside.on("error", () => inside.destroy());
  outside.on("close", () => {
    open.delete(outside);
    inside.destroy();
  });
  inside.on("error", () => outside.destroy());
  // What was answered before is still on its way to the caller.
  inside.on("close", () => outside.end());
  outside.pipe(inside);
  inside.pipe(outside);
}
