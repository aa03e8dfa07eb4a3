/** Owns a real vendor whose entries can be taken back: both are idempotent by key, and fail on request. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** `refuse` is final; `away` is not; `lost` does it and loses the answer; `held` loses it only when let go. */
export type LedgerFault = "refuse" | "away" | "lost" | "held";

export interface Entry {
  readonly entry_id: string;
  readonly kind: string;
  readonly key: string;
  undone: boolean;
}

export interface Ledger {
  readonly url: string;
  /** By idempotency key. */
  readonly entries: Map<string, Entry>;
  /** Kinds in the order in which they were undone, each once. */
  readonly undone: string[];
  /** What the next requests of a kind do, by `make <kind>` or `undo <kind>`. */
  readonly faults: Map<string, LedgerFault[]>;
  /** Requests that are held now. */
  heldCount(): number;
  letGo(): void;
  stop(): Promise<void>;
}

export async function startLedger(): Promise<Ledger> {
  const entries = new Map<string, Entry>();
  const undone: string[] = [];
  const faults = new Map<string, LedgerFault[]>();
  const held: (() => void)[] = [];

  function answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  async function act(response: ServerResponse, what: string, commit: () => unknown) {
    const fault = faults.get(what)?.shift();
    if (fault === "refuse") return answer(response, 409, { error: { message: "refused" } });
    if (fault === "away") return answer(response, 503, { error: { message: "away" } });
    const body = commit();
    if (fault === "held") await new Promise<void>((resolve) => held.push(resolve));
    if (fault === undefined) answer(response, 200, body);
    else response.destroy();
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://ledger");
    const text = await textOf(request);
    const key = String(request.headers["idempotency-key"] ?? "");
    const [, , id = ""] = url.pathname.split("/");
    if (request.method === "GET" && id !== "") {
      const entry = [...entries.values()].find((one) => one.entry_id === id);
      return entry === undefined ? answer(response, 404, {}) : answer(response, 200, entry);
    }
    if (request.method === "GET") {
      const found = entries.get(url.searchParams.get("key") ?? "");
      return answer(response, 200, { items: found === undefined ? [] : [found] });
    }
    if (request.method === "POST") {
      const { kind } = JSON.parse(text) as { kind: string };
      return act(response, `make ${kind}`, () => make(key, kind));
    }
    const entry = [...entries.values()].find((one) => one.entry_id === id);
    if (entry === undefined) return answer(response, 404, {});
    return act(response, `undo ${entry.kind}`, () => undo(entry));
  }

  function make(key: string, kind: string): Entry {
    const known = entries.get(key);
    if (known !== undefined) return known;
    const entry = { entry_id: `e${entries.size + 1}`, kind, key, undone: false };
    entries.set(key, entry);
    return entry;
  }

  function undo(entry: Entry): Entry & { credits: number } {
    if (!entry.undone) undone.push(entry.kind);
    entry.undone = true;
    return { ...entry, credits: entry.kind === "credited" ? 1 : 0 };
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    entries,
    undone,
    faults,
    heldCount: () => held.length,
    letGo: () => {
      for (const release of held.splice(0)) release();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
