/**
 * Owns what a person must know to decide: Concord's review packet (docs/wire.md §2) read into sentences and
 * rows. Pure, and careful: the packet comes from another system, and a missing part must not hide the rest.
 */
import type { ApprovalItem } from "@concert/sdk";
import { formatValue, humanize } from "../../lib/format.ts";

export interface ReviewRow {
  readonly label: string;
  readonly value: string;
  /** Money and other totals: what people look for first. */
  readonly prominent: boolean;
}

export interface Review {
  readonly action: string;
  readonly requester: string | null;
  readonly why: readonly string[];
  readonly rows: readonly ReviewRow[];
  readonly policy: string | null;
  readonly after: readonly string[];
  readonly risk: string | null;
}

const PROMINENT = /amount|total|price|cost|sum/i;

export function readReview(item: Pick<ApprovalItem, "reviewPacket" | "approvalType">): Review {
  const packet = item.reviewPacket;
  return {
    action: sentence(packet["action"]) ?? humanize(item.approvalType),
    requester: person(packet["requester"]),
    why: sentences(packet["why"]),
    rows: readRows(packet["affected"]),
    policy: policy(person(packet["triggering_policy"])),
    after: sentences(packet["after_approval"]),
    risk: sentence(packet["risk_level"]),
  };
}

export type Urgency = "calm" | "soon" | "over" | "never";

const SOON_MS = 5 * 60_000;

export function urgencyOf(expiresAt: number | null, nowMs: number): Urgency {
  if (expiresAt === null) return "never";
  if (expiresAt <= nowMs) return "over";
  return expiresAt - nowMs <= SOON_MS ? "soon" : "calm";
}

/** "Approved", "Rejected", "Expired", … */
export function decisionLabel(decision: string): string {
  return humanize(decision);
}

function readRows(affected: unknown): readonly ReviewRow[] {
  if (Array.isArray(affected)) {
    return affected.flatMap((row: unknown) => {
      if (typeof row !== "object" || row === null) return [];
      const { label, value } = row as { label?: unknown; value?: unknown };
      return [reviewRow(typeof label === "string" ? label : "Detail", value)];
    });
  }
  if (typeof affected !== "object" || affected === null) return [];
  return Object.entries(affected).map(([name, value]) => reviewRow(humanize(name), value));
}

function reviewRow(label: string, value: unknown): ReviewRow {
  return { label, value: formatValue(value), prominent: PROMINENT.test(label) };
}

function sentence(value: unknown): string | null {
  return typeof value === "string" && value.trim() !== "" ? value : null;
}

function sentences(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one) => sentence(one) ?? []);
  const one = sentence(value);
  return one === null ? [] : [one];
}

/** Words first; the name as policies are written stays, because that is what the record is searched for. */
function policy(name: string | null): string | null {
  return name === null ? null : `${humanize(name.slice(name.indexOf(".") + 1))} (${name})`;
}

/** A name, or an object that has one. */
function person(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return sentence(value);
  const named = value as Readonly<Record<string, unknown>>;
  for (const key of ["name", "email", "user", "policy", "id"]) {
    const found = sentence(named[key]);
    if (found !== null) return found;
  }
  return null;
}
