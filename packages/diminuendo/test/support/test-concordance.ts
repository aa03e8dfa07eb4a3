/**
 * A small Concordance for tests: the HTTP reads and writes and the `/stream` watches that the gateway uses. A
 * watch covers the namespaces beneath its own, and `compact` forgets the history.
 */
import { covers } from "@concert/concordance";
import type { ServerWebSocket } from "bun";

export const CONCORDANCE_KEY = "kv_test_key";

interface Change {
  readonly namespace: string;
  readonly key: string;
  readonly value: unknown;
  readonly version: number;
  readonly revision: number;
  readonly seq: number;
  readonly op: "set" | "delete";
}
interface Batch {
  readonly operations: readonly {
    readonly op: Change["op"];
    readonly namespace: string;
    readonly key: string;
    readonly value?: unknown;
  }[];
}
type Socket = ServerWebSocket<{ watched: Set<string> }>;

export class TestConcordance {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  readonly changes: Change[] = [];
  /** The namespace of every request, as it arrived. */
  readonly asked: string[] = [];
  /** Sockets are let in only once this resolves. */
  admitSockets: Promise<void> = Promise.resolve();
  /** Answers every HTTP request with 503 instead of serving it. */
  isDown = false;
  #compactedThrough = 0;

  constructor() {
    this.#server = Bun.serve<{ watched: Set<string> }>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        data: {} as { watched: Set<string> },
        open: (socket) => void this.#sockets.add(socket),
        close: (socket) => void this.#sockets.delete(socket),
        message: (socket, text) => this.#received(socket, JSON.parse(String(text))),
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  dropSockets(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  get watchedCount(): number {
    return [...this.#sockets].reduce((sum, { data }) => sum + data.watched.size, 0);
  }

  set(namespace: string, key: string, value: unknown, op: Change["op"] = "set"): Change {
    const version =
      this.changes.filter((one) => one.namespace === namespace && one.key === key).length + 1;
    const revision = this.changes.length + 1;
    const seq = revision;
    const change: Change = { namespace, key, value, version, revision, seq, op };
    this.changes.push(change);
    for (const socket of this.#sockets) if (isWatched(socket, namespace)) notify(socket, change);
    return change;
  }

  /** Nobody may resume from before this moment. */
  compact(): void {
    this.#compactedThrough = this.changes.length;
  }

  async #fetch(request: Request, server: Bun.Server<{ watched: Set<string> }>) {
    const url = new URL(request.url);
    if (url.pathname === "/api/v1/health") return Response.json({ ok: true });
    if (request.headers.get("authorization") !== `Bearer ${CONCORDANCE_KEY}`) {
      return Response.json({ error: { code: "unauthorized", message: "no" } }, { status: 401 });
    }
    if (url.pathname === "/stream") {
      await this.admitSockets;
      if (server.upgrade(request, { data: { watched: new Set() } })) return undefined;
    }
    if (this.isDown) {
      return Response.json({ error: { code: "no_leader", message: "wait" } }, { status: 503 });
    }
    const [namespace = "", key] = url.pathname
      .replace("/api/v1/kv/", "")
      .split("/")
      .map(decodeURIComponent);
    this.asked.push(namespace);
    if (url.pathname === "/api/v1/batch") {
      return this.#batch((await request.json()) as Batch);
    }
    if (key === undefined) return Response.json(this.#list(namespace));
    if (request.method === "PUT") {
      const { value } = (await request.json()) as { value: unknown };
      return Response.json({ ok: true, ...this.set(namespace, key, value) });
    }
    const found = this.#newest(namespace, key);
    if (found !== undefined && request.method === "DELETE") {
      return Response.json({ ok: true, ...this.set(namespace, key, null, "delete") });
    }
    if (found !== undefined) return Response.json(found);
    return Response.json({ error: { code: "not_found", message: "no such key" } }, { status: 404 });
  }

  /** The entry as it is; undefined when it was never set, or was deleted. */
  #newest(namespace: string, key: string): Change | undefined {
    const last = this.changes.findLast((one) => one.namespace === namespace && one.key === key);
    return last?.op === "set" ? last : undefined;
  }

  #batch({ operations }: Batch): Response {
    const results = operations.map(({ op, namespace, key, value }) => {
      const known = this.#newest(namespace, key);
      if (op === "delete" && known === undefined) {
        return { op, namespace, key, deleted: false, version: 0 };
      }
      return { deleted: op === "delete", ...this.set(namespace, key, value ?? null, op) };
    });
    return Response.json({ ok: true, results, revision: this.changes.length });
  }

  #list(namespace: string) {
    const keys = this.changes.filter((one) => one.namespace === namespace).map(({ key }) => key);
    const items = [...new Set(keys)].flatMap((key) => this.#newest(namespace, key) ?? []);
    return { items, revision: this.changes.length };
  }

  #received(
    socket: Socket,
    frame: { id: number; method: string; params: { namespace: string; fromRevision?: number } },
  ): void {
    if (frame.method === "ping") {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: frame.id, result: { missing: [] } }));
      return;
    }
    const { namespace, fromRevision = this.changes.length } = frame.params;
    if (fromRevision < this.#compactedThrough) {
      const error = { code: -32007, message: "compacted", data: { code: "compacted" } };
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: frame.id, error }));
      return;
    }
    socket.data.watched.add(namespace);
    const result = { namespace, fromRevision, clusterId: "test" };
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: frame.id, result }));
    for (const change of this.changes) {
      if (change.revision > fromRevision && covers(namespace, change.namespace)) {
        notify(socket, change);
      }
    }
  }
}

function isWatched(socket: Socket, namespace: string): boolean {
  return [...socket.data.watched].some((watched) => covers(watched, namespace));
}

function notify(socket: Socket, change: Change): void {
  socket.send(JSON.stringify({ jsonrpc: "2.0", method: "watch/change", params: change }));
}
