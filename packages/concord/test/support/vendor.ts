/** Owns a tiny real vendor over HTTP for tests: commits purchases by idempotency key, and fails on request. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What the next purchase does instead of answering 201. */
export type Fault = "error_before" | "error_after" | "stall_after" | "drop_after";

export interface Purchase {
  readonly purchase_id: string;
  readonly key: string;
  readonly item: string;
}

export interface TestVendor {
  readonly url: string;
  readonly purchases: Map<string, Purchase>;
  readonly faults: Fault[];
  /** Requests seen, e.g. `POST /purchases`. */
  readonly requests: string[];
  /** What purchases came with. */
  readonly traceparents: string[];
  /** Resolves when a purchase was committed. */
  committed(): Promise<void>;
  stop(): Promise<void>;
}

export async function startVendor(): Promise<TestVendor> {
  const purchases = new Map<string, Purchase>();
  const faults: Fault[] = [];
  const requests: string[] = [];
  const traceparents: string[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url?.split("?")[0]}`);
    handle(request, response).catch(() => response.destroy());
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== "Bearer vendor-dev") return answer(response, 401, {});
    const url = new URL(request.url ?? "/", "http://vendor");
    const body = await bodyOf(request);
    if (request.method === "GET" && url.pathname === "/prices") {
      return answer(response, 200, {
        item: url.searchParams.get("item"),
        amount: Number(url.searchParams.get("amount")),
        currency: "EUR",
      });
    }
    if (request.method === "GET") {
      const key = url.searchParams.get("key");
      return answer(response, 200, {
        items: [...purchases.values()].filter((one) => one.key === key),
      });
    }
    return purchase(request, response, body);
  }

  function purchase(request: IncomingMessage, response: ServerResponse, body: { item?: string }) {
    traceparents.push(String(request.headers["traceparent"]));
    const key = String(request.headers["idempotency-key"]);
    const known = purchases.get(key);
    if (known !== undefined) return answer(response, 200, known);
    const fault = faults.shift();
    if (fault === "error_before") return answer(response, 503, { error: { message: "not now" } });
    const made = { purchase_id: `p_${purchases.size + 1}`, key, item: String(body.item) };
    purchases.set(key, made);
    for (const wake of waiting.splice(0)) wake();
    if (fault === "error_after") return answer(response, 500, { error: { message: "lost it" } });
    if (fault === "drop_after") return void response.destroy();
    if (fault === "stall_after") return undefined;
    return answer(response, 201, made);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    purchases,
    faults,
    requests,
    traceparents,
    committed: () => new Promise((resolve) => waiting.push(resolve)),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<{ item?: string }> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : JSON.parse(text);
}
