/** Owns what a browser may do with the console's pages. Pure. */

/**
 * The policy allows the console's own files and one stranger: the gateway, over HTTP and WebSocket. Inline
 * styles stay allowed because Mantine writes its theme as one; inline scripts do not.
 */
export function securityHeaders(gatewayUrl: string): Readonly<Record<string, string>> {
  const gateway = new URL(gatewayUrl).origin;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' ${gateway} ${gateway.replace(/^http/, "ws")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
}
