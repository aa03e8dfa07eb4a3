/** Owns the trace id of a request: the caller's W3C `traceparent`, or a new one. */

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function traceIdOf(header: string | null): string {
  const given = TRACEPARENT.exec(header ?? "")?.[1];
  if (given !== undefined && !/^0+$/.test(given)) return given;
  return crypto.getRandomValues(Buffer.alloc(16)).toString("hex");
}
