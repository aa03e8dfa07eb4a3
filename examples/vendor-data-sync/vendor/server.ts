/**
 * Owns the vendor: somebody else's sales API, with failures on request. It answers the sales of a day, takes orders
 * (which nobody here may place), corrects a day, and tells what it was asked. It knows nothing of Concert.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface VendorOptions {
  readonly host: string;
  /** 0 asks for a free one. */
  readonly port: number;
  readonly apiKey: string;
}

export interface Vendor {
  readonly url: string;
  stop(): Promise<void>;
}

/** A status, or how long nothing is said. */
type Fault = number | { readonly hangMs: number };

interface Books {
  readonly faults: Fault[];
  readonly asked: string[];
  readonly orders: string[];
  /** How often each day was corrected. */
  readonly corrections: Map<string, number>;
}

const VENDORS = ["acme", "globex"];
const PRODUCTS = ["chair", "desk", "lamp"];
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export async function startVendor({ host, port, apiKey }: VendorOptions): Promise<Vendor> {
  const books: Books = { faults: [], asked: [], orders: [], corrections: new Map() };
  const server = createServer(async (request, response) => {
    const answered = await answerOf(request, books, apiKey);
    if (answered === undefined) return;
    send(response, ...answered);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${host}:${bound}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Answer = readonly [status: number, body: object];

async function answerOf(
  request: IncomingMessage,
  books: Books,
  apiKey: string,
): Promise<Answer | undefined> {
  const url = new URL(request.url ?? "/", "http://vendor");
  const body = await bodyOf(request);
  if (url.pathname === "/ready") return [200, { ok: true }];
  if (!url.pathname.startsWith("/v1/")) return backOffice(url, request.method ?? "", body, books);
  if (request.headers.authorization !== `Bearer ${apiKey}`) return [401, { error: "no key" }];
  books.asked.push(`${request.method} ${url.pathname}${url.search}`);
  const fault = books.faults.shift();
  if (typeof fault === "number") return [fault, { error: "not just now" }];
  if (fault !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.hangMs));
  const [, , vendor = "", what] = url.pathname.split("/");
  if (!VENDORS.includes(vendor)) return [404, { error: `there is no vendor ${vendor}` }];
  if (request.method === "POST" && what === "orders") {
    books.orders.push(JSON.stringify(body));
    return [201, { order: books.orders.length }];
  }
  const date = url.searchParams.get("date") ?? "";
  if (request.method !== "GET" || what !== "sales")
    return [404, { error: "there is no such thing" }];
  if (!DAY.test(date)) return [400, { error: "date is not YYYY-MM-DD" }];
  return [200, salesOf(vendor, date, books)];
}

/** What only a test or a demonstration does: break it, correct a day, look at the books. */
function backOffice(url: URL, method: string, body: unknown, books: Books): Answer {
  const {
    next = [],
    vendor,
    date,
  } = (body ?? {}) as {
    readonly next?: readonly Fault[];
    readonly vendor?: string;
    readonly date?: string;
  };
  if (method === "PUT" && url.pathname === "/faults") {
    books.faults.splice(0, books.faults.length, ...next);
    return [200, { faults: books.faults }];
  }
  if (method === "POST" && url.pathname === "/corrections") {
    const day = `${vendor}/${date}`;
    books.corrections.set(day, (books.corrections.get(day) ?? 0) + 1);
    return [200, { day }];
  }
  if (method === "GET" && url.pathname === "/books") {
    return [200, { asked: books.asked, orders: books.orders }];
  }
  return [404, { error: "there is no such thing" }];
}

/** The same numbers for the same day, until somebody corrects it. */
function salesOf(vendor: string, date: string, books: Books): object {
  const seed = [...`${vendor}${date}`].reduce((sum, character) => sum + character.charCodeAt(0), 0);
  const correction = books.corrections.get(`${vendor}/${date}`) ?? 0;
  const rows = PRODUCTS.map((product, index) => ({
    product,
    quantity: ((seed * (index + 3)) % 40) + 1 + correction,
    revenue: (((seed * (index + 7)) % 900) + 100 + correction * 5).toFixed(2),
  }));
  return { vendor, date, rows };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  try {
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
