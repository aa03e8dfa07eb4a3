/**
 * Owns how an error reported by Concord, whatever its shape, becomes the `{class, message}` a person reads.
 * Source: docs/wire.md §4 (`tool.error`, `error`).
 */
import type { CallError } from "./podium-events.ts";

/** Reads `{class | error_class | code, message}` or a plain string; `fallback` fills what is missing. */
export function readFailure(error: unknown, fallback: CallError): CallError {
  if (typeof error === "string" && error !== "") return { ...fallback, message: error };
  if (typeof error !== "object" || error === null) return fallback;
  const fields = new Map<string, unknown>(Object.entries(error));
  const kind = [fields.get("class"), fields.get("error_class"), fields.get("code")].find(isText);
  const message = fields.get("message");
  return { class: kind ?? fallback.class, message: isText(message) ? message : fallback.message };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
