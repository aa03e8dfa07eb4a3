/**
 * Owns the keys of submissions whose source already has a name for them (CMD-16, spec §11): the same happening
 * always gives the same key, and no two sources ever share one. Pure. Tasks derive keys of their own from a
 * template; see `IdempotencyRule`.
 */

/** A vendor's webhook: its own id of the event. */
export function webhookKey(of: { readonly provider: string; readonly eventId: string }): string {
  return keyOf("webhook", of.provider, of.eventId);
}

/** What a person did, e.g. the id of a click or a form. */
export function userActionKey(of: { readonly user: string; readonly actionId: string }): string {
  return keyOf("user_action", of.user, of.actionId);
}

/** One version of a file: a changed file is a new happening. */
export function fileKey(of: { readonly path: string; readonly version: string }): string {
  return keyOf("file", of.path, of.version);
}

/** One tick of a schedule; `windowStart` is ISO 8601 UTC, so that a late tick has the key of its window. */
export function scheduleKey(of: { readonly job: string; readonly windowStart: string }): string {
  return keyOf("schedule", of.job, of.windowStart);
}

/** A decision that arrives from outside; the same approval is decided once (APR-18). */
export function approvalDecisionKey(of: { readonly approvalId: string }): string {
  return keyOf("approval_decision", of.approvalId);
}

/** A request of another system: its own id of the request. */
export function apiRequestKey(of: { readonly client: string; readonly requestId: string }): string {
  return keyOf("api_request", of.client, of.requestId);
}

/** Parts are encoded, so that no choice of parts reads like another one. Throws `RangeError` on an empty part. */
function keyOf(source: string, ...parts: readonly string[]): string {
  if (parts.includes("")) throw new RangeError(`a ${source} key needs every part`);
  return [source, ...parts.map(encodeURIComponent)].join(":");
}
