/** Owns what the demo verifies from outside: the record through the gateway, the bookings at the vendor. */
import type { TimelineEntry } from "./transcript.ts";

/** What the record of a governed booking must tell, whatever else it tells. */
const KINDS_EXPECTED = ["status", "policy", "approval", "effect", "artifact"] as const;

/** The record of `commandId` and everything that came of it, in commit order. */
export async function readTimeline(
  gatewayUrl: string,
  commandId: string,
): Promise<readonly TimelineEntry[]> {
  const path = `/api/commands/${commandId}/timeline?descendants=true`;
  const body = await getJson(`${gatewayUrl}${path}`, {});
  return listIn(body, "entries") as readonly TimelineEntry[];
}

/** Which kinds a record lacks. */
export function missingKinds(entries: readonly TimelineEntry[]): readonly string[] {
  return KINDS_EXPECTED.filter((kind) => !entries.some((entry) => entry.kind === kind));
}

export interface Booking {
  readonly booking_id: string;
  readonly confirmation_code: string;
  readonly hotel_name: string;
  readonly status: string;
}

/** Every booking the vendor holds. */
export async function readBookings(vendorUrl: string, apiKey: string): Promise<readonly Booking[]> {
  const headers = { authorization: `Bearer ${apiKey}` };
  return listIn(await getJson(`${vendorUrl}/v1/bookings`, headers), "items") as readonly Booking[];
}

async function getJson(url: string, headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) {
    throw new Error(`GET ${url} answered ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

function listIn(body: unknown, field: string): readonly unknown[] {
  const value =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[field] : null;
  if (Array.isArray(value)) return value;
  throw new Error(`the answer has no list "${field}": ${JSON.stringify(body).slice(0, 200)}`);
}
