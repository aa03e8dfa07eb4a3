/** Owns the packet a person reads before deciding (APR-3, wire §2). Pure. */
import type { Json, JsonObject } from "./json.ts";
import type { RiskLevel } from "./vocabulary.ts";

export interface AffectedLine {
  readonly label: string;
  readonly value: Json;
}

/** What the contract says about one command that needs a decision. */
export interface ReviewSummary {
  readonly action: string;
  readonly why: string;
  readonly affected: readonly AffectedLine[];
  readonly afterApproval: string;
}

export interface ReviewPacket {
  readonly action: string;
  readonly requester: string;
  readonly why: string;
  readonly affected: readonly AffectedLine[];
  readonly triggering_policy: string;
  readonly after_approval: string;
  readonly risk_level: RiskLevel;
  readonly expires_at: string;
  readonly payload_hash: string;
  /** The artifact that shows what would come of it; absent when the task has no preview. */
  readonly preview_artifact_id?: string;
}

/** The packet, or the parts that are missing: nobody is asked to decide on half a story. */
export function buildReviewPacket(
  summary: ReviewSummary,
  facts: Omit<ReviewPacket, "action" | "why" | "affected" | "after_approval">,
  requiredFields: readonly string[] = [],
): { readonly packet: ReviewPacket } | { readonly missing: readonly string[] } {
  const packet = {
    action: summary.action,
    why: summary.why,
    affected: summary.affected,
    after_approval: summary.afterApproval,
    ...facts,
  };
  const missing = Object.entries(packet)
    .filter(([, value]) => value === "" || (Array.isArray(value) && value.length === 0))
    .map(([name]) => name);
  const labels = summary.affected.map(({ label }) => label);
  missing.push(...requiredFields.filter((field) => !labels.includes(field)));
  return missing.length > 0 ? { missing } : { packet };
}

export function packetJson(packet: ReviewPacket): JsonObject {
  return { ...packet, affected: packet.affected.map(({ label, value }) => ({ label, value })) };
}
