/**
 * Owns which web pages may talk to the gateway. A request without `Origin` comes from no browser and is
 * judged by its token alone; with one, the origin must be listed, or the gateway be in dev mode. Pure.
 */

export interface OriginRule {
  readonly devMode: boolean;
  readonly allowedOrigins: readonly string[];
}

export function originAllowed(origin: string | null, rule: OriginRule): boolean {
  return origin === null || rule.devMode || rule.allowedOrigins.includes(origin);
}

/** CORS headers for an allowed origin; none for others, which makes the browser refuse. */
export function corsHeaders(origin: string | null, rule: OriginRule): Record<string, string> {
  if (origin === null) return {};
  if (!originAllowed(origin, rule)) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, last-event-id, traceparent",
    "access-control-expose-headers": "x-trace-id",
    "access-control-max-age": "600",
  };
}

/** Sent with every HTTP answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
};
