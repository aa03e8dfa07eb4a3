/** Owns how decisions and moves read: names that machines use, turned into sentences. Pure. */
import { humanize } from "../../lib/format.ts";

type Json = Readonly<Record<string, unknown>>;

const DECISIONS: Readonly<Record<string, string>> = {
  allow: "allows it",
  deny: "forbids it",
  require_approval: "asks for a decision",
};

/** `{policy: "hotel.spending_limit", decision: "require_approval"}` → "Spending limit asks for a decision". */
export function decisionSentence(payload: Json): string | null {
  const { policy, decision } = payload;
  if (typeof policy !== "string" || typeof decision !== "string") return null;
  return `${policyTitle(policy)} ${DECISIONS[decision] ?? `says ${decision}`}`;
}

/** `hotel.spending_limit` → "Spending limit": whose policy it is shows where its whole name does. */
export function policyTitle(policy: string): string {
  return humanize(policy.slice(policy.indexOf(".") + 1));
}

/** `{from: "validated", to: "waiting_for_approval"}` → "Validated → waiting for approval". */
export function movedSentence(payload: Json): string | null {
  const { from, to } = payload;
  if (typeof from !== "string" || typeof to !== "string") return null;
  return `${humanize(from)} → ${humanize(to).toLowerCase()}`;
}
