/**
 * Owns reading an HTTP request: its method, query and body, within their limits. Throws `Refusal`.
 * Refuses to own: routes (server.ts, *-routes.ts), what the fields mean (parse.ts).
 */
import { LIMITS } from "../shared/types.ts";
import type { Now } from "./engine.ts";
import type { Caller } from "./keys.ts";
import * as parse from "./parse.ts";
import { Refusal } from "./refusal.ts";

export interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly caller: Caller;
  /** Tells the transport that the answer may take so long, and no more. */
  readonly mayTakeMs: (ms: number) => void;
}
/** Answers JSON text. */
export type Handler = (call: Call) => Now<string>;

const UTF8 = new TextDecoder("utf-8", { fatal: true });
const NUMERIC_QUERIES = new Set(["cas", "limit", "since", "minRevision", "waitMs"]);

export function only(method: string, accepted: readonly string[]): void {
  if (accepted.includes(method)) return;
  throw new Refusal("method_not_allowed", `Use ${accepted.join(" or ")} here, not ${method}.`);
}

/** The query as fields. Text has no types, so the names that hold numbers are read as numbers here. */
export function queryOf(url: URL, accepted: readonly string[]): parse.Fields {
  if (url.search === "") return {};
  const typed = [...url.searchParams].map(([name, text]) => {
    const isNumber = NUMERIC_QUERIES.has(name) && /^\d{1,16}$/.test(text);
    return [name, isNumber ? Number(text) : text] as const;
  });
  return parse.fieldsOf(Object.fromEntries(typed), accepted, "The query");
}

/** The caller's name for this very write. */
export function requestIdOf(request: Request): string | undefined {
  return parse.requestIdOf(request.headers.get("idempotency-key"));
}

/** The body as JSON, read no further than the limit. */
export async function bodyOf(request: Request): Promise<unknown> {
  if (Number(request.headers.get("content-length") ?? 0) > LIMITS.requestBytesMax) throw tooLarge();
  const body = await request.arrayBuffer().catch(() => {
    throw new Refusal("invalid_request", "The body did not arrive whole.");
  });
  const bytes = new Uint8Array(body);
  if (bytes.length > LIMITS.requestBytesMax) throw tooLarge();
  return parse.parseJson(utf8(bytes));
}

function tooLarge(): Refusal {
  const why = `The body is larger than ${LIMITS.requestBytesMax} bytes.`;
  return new Refusal("request_too_large", why);
}

function utf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new Refusal("invalid_json", "The body is not valid UTF-8.");
  }
}

/** One path segment as the text it stands for. */
export function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal("invalid_request", "The path is not valid percent-encoded UTF-8.");
  }
}
