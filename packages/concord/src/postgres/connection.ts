/** Owns telling a lost connection from any other failure of the database. */

const LOST_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "57P01",
  "57P02",
  "57P03",
  "53300",
]);
const LOST_TEXT =
  /connection terminated|connection error|connection ended|is not queryable|server closed the connection|timeout exceeded when trying to connect/i;

/** What a connection says whose statements were planned for tables that have changed since; a new one knows them. */
const STALE_TEXT = /cached plan must not change result type/;

/** ERR-4: the connection or the server went away, or is behind the schema; the statement may be tried again. */
export function isConnectionLost(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const code = "code" in error ? String(error.code) : "";
  const message = "message" in error ? String(error.message) : "";
  if (LOST_CODES.has(code) || code.startsWith("08")) return true;
  return LOST_TEXT.test(message) || STALE_TEXT.test(message);
}
