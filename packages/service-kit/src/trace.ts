/** Owns W3C trace context as it crosses our processes (https://www.w3.org/TR/trace-context/). */

export interface TraceContext {
  /** 32 lowercase hex digits; the `trace_id` of logs and audit rows. */
  readonly traceId: string;
  /** 16 lowercase hex digits: this hop. */
  readonly spanId: string;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** A new trace, for a request that arrived without one. */
export function newTrace(): TraceContext {
  return { traceId: hex(16), spanId: hex(8) };
}

/** The caller's own hop, or null when the header is absent or malformed. */
export function callerOf(traceparent: string | null | undefined): TraceContext | null {
  const [, traceId, spanId] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId)) return null;
  return { traceId, spanId };
}

/** Joins the caller's trace as a new hop, or starts one when the header is absent or malformed. */
export function joinTrace(traceparent: string | null | undefined): TraceContext {
  const caller = callerOf(traceparent);
  return caller === null ? newTrace() : { traceId: caller.traceId, spanId: hex(8) };
}

/** A context that continues a stored trace id, e.g. one read back from a command row. */
export function continueTrace(traceId: string): TraceContext {
  return joinTrace(`00-${traceId}-0000000000000001-01`);
}

/** The header value for the next hop. */
export function traceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-01`;
}

function hex(bytes: number): string {
  const buffer = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(buffer, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
