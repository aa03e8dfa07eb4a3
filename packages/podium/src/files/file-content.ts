/** Owns how a file's bytes are told in JSON: text where they are text, base64 where they are not. Pure. */
import { ApiError } from "@concert/service-kit";

export type Encoding = "utf8" | "base64";

/** Text that JSON makes six times as long is told as base64. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function toldAs(bytes: Uint8Array): {
  readonly content: string;
  readonly encoding: Encoding;
} {
  const text = textOf(bytes);
  if (text !== undefined && !UNPRINTABLE.test(text)) return { content: text, encoding: "utf8" };
  return { content: Buffer.from(bytes).toString("base64"), encoding: "base64" };
}

/** The text that `bytes` are, or undefined for bytes that are no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined; // No text: whoever asked tells it as bytes.
  }
}

/** The bytes of a content. Throws `ApiError` 400 `invalid_request`. */
export function bytesOf(content: string, encoding: Encoding): Uint8Array {
  if (encoding === "utf8") {
    if (!/\p{Surrogate}/u.test(content)) return new TextEncoder().encode(content);
    throw new ApiError(400, "invalid_request", "content has half a character in it.");
  }
  const bytes = Buffer.from(content, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") === content.replace(/=+$/, "")) return bytes;
  throw new ApiError(400, "invalid_request", "content is not base64.");
}
