/** Owns a bare JSON-RPC socket for tests: sends any text, keeps every frame, knows how it was closed. */
import { eventually } from "./process.ts";

export interface Frame {
  readonly id?: string | number | null;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data: unknown };
  readonly method?: string;
  readonly params?: { readonly seq: number; readonly revision: number; readonly key: string };
}

export class RpcSocket {
  readonly frames: Frame[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly #socket: WebSocket;
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => void this.frames.push(JSON.parse(String(data)));
    socket.onclose = ({ code, reason }) => {
      this.closed = { code, reason };
    };
  }

  /** Rejects when the upgrade is refused. */
  static async open(url: string, key: string): Promise<RpcSocket> {
    const headers = { authorization: `Bearer ${key}` };
    const socket = new WebSocket(`${url.replace("http", "ws")}/stream`, { headers });
    const rpc = new RpcSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("the upgrade was refused"));
    });
    return rpc;
  }

  async call(method: string, params: unknown): Promise<Frame> {
    const id = this.#nextId;
    this.#nextId += 1;
    this.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    await eventually(`an answer to ${method}`, () => this.#answer(id) !== undefined);
    return this.#answer(id) ?? {};
  }

  send(frame: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(frame);
  }

  get changes() {
    return this.frames.flatMap(({ method, params }) =>
      method === "watch/change" && params !== undefined ? [params] : [],
    );
  }

  close(): void {
    this.#socket.close();
  }

  #answer(id: number): Frame | undefined {
    return this.frames.find((frame) => frame.id === id);
  }
}
