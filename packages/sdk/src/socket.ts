/** Owns the little of WebSocket that the SDK needs, and where it comes from in each runtime. */
import { GatewayError } from "./errors.ts";

/**
 * What a browser, Bun, Node 22, `undici` and `ws` all offer. Handlers are `unknown` because each runtime
 * declares its own event classes; `SocketHandlers` says what is assigned.
 */
export interface SocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
}

export interface SocketHandlers {
  readonly onmessage: (event: { readonly data: unknown }) => void;
  readonly onclose: (event: { readonly code: number; readonly reason: string }) => void;
}

/** The code browsers give a connection that ended without a close frame. */
const CLOSED_ABNORMALLY = 1006;

/**
 * Sets what is called. An error is followed by a close with its code, except that `undici` reports a refused
 * connection by the error alone; `onclose` may therefore be called twice for one socket.
 */
export function listenTo(socket: SocketLike, handlers: SocketHandlers): void {
  socket.onmessage = handlers.onmessage;
  socket.onclose = handlers.onclose;
  socket.onerror = () => {
    setTimeout(() => {
      if (socket.readyState === SOCKET_OPEN) return;
      handlers.onclose({ code: CLOSED_ABNORMALLY, reason: "" });
    }, 0);
  };
}

export type SocketConstructor = new (url: string) => SocketLike;

export const SOCKET_OPEN = 1;

/** The injected constructor, else the runtime's own. Throws `NoWebSocket` when there is neither. */
export function socketConstructor(injected: SocketConstructor | undefined): SocketConstructor {
  if (injected !== undefined) return injected;
  const own = (globalThis as { readonly WebSocket?: unknown }).WebSocket;
  if (typeof own === "function") return own as SocketConstructor;
  throw new GatewayError(
    "NoWebSocket",
    "This runtime has no WebSocket (Node before 22). Pass one: " +
      'new DiminuendoClient({ url, WebSocket }) with WebSocket from "undici" or "ws".',
  );
}
