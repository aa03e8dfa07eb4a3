/** Owns what an HTTP answer means to Concord: its body, bounded; its class (ERR-3); when to ask again (RFC 9110 §10.2.3). */
import { classifyHttpStatus } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import type { ConnectorResult } from "../../../domain/connectors.ts";

export const MESSAGE_CHARACTERS_MAX = 300;

export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The failure an unsuccessful answer stands for. */
export function failureOf({ status, headers, text }: HttpAnswer): ConnectorResult {
  const retryAfterMs = retryAfter(headers["retry-after"], Date.now());
  return {
    ok: false,
    errorClass: classifyHttpStatus(status),
    message: `${status}: ${reasonIn(text)}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** A JSON object as the output; anything else is malformed. */
export function jsonResult(answer: HttpAnswer): ConnectorResult {
  if (answer.status < 200 || answer.status > 299) return failureOf(answer);
  const output = answer.text === "" ? {} : parsed(answer.text);
  if (isJsonObject(output)) return { ok: true, output: output as JsonObject };
  return malformed("the vendor's answer is not a JSON object");
}

export function malformed(message: string): ConnectorResult {
  return { ok: false, errorClass: "malformed_payload", message };
}

/** The connection failed or broke; whether the vendor acted is not known. */
export function unreachable(error: unknown): ConnectorResult {
  const why = error instanceof Error ? (error.cause ?? error) : error;
  const message = `the vendor could not be reached: ${String(why).slice(0, MESSAGE_CHARACTERS_MAX)}`;
  return { ok: false, errorClass: "transient_connector_error", message };
}

/** Milliseconds from seconds or an HTTP date; undefined when it says neither. */
export function retryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The body as text, read no further than `bytesMax`; when it is longer undefined, or with `cut` its beginning. */
export async function boundedText(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
  cut = false,
): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) {
      if (!cut) return undefined;
      break;
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonIn(text: string): string {
  const body = parsed(text);
  const { error, message } = isJsonObject(body) ? body : ({} as JsonObject);
  const told = [isJsonObject(error ?? null) ? (error as JsonObject)["message"] : error, message];
  const found = told.find((one) => typeof one === "string");
  return (typeof found === "string" ? found : text).slice(0, MESSAGE_CHARACTERS_MAX);
}
