/**
 * Owns the file that carries the evidence of one command out of Concord: what is in it, and its bytes. Two lines: a
 * head that names the format and the digest of the body, and the body as JSON. See verify.ts for what it proves.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../core/json.ts";

export const EVIDENCE_FORMAT = "concert.evidence/1";

/** A link of the tenant's chain; digests are hexadecimal. */
export interface EvidenceSeal {
  readonly seal_no: number;
  readonly event_count: number;
  readonly content: string;
  readonly previous_hash: string;
  readonly hash: string;
  /** Digests of every event it covers, in order; null where none of them is about this command. */
  readonly event_digests: readonly string[] | null;
}

export interface EvidenceEvent {
  /** Exactly what its digest is taken of: a JSON array, see `EVENT_FIELDS`. */
  readonly text: string;
  /** The seal that covers it; null when it was too young to be sealed. */
  readonly seal_no: number | null;
}

/** The order of an event's text. */
export const EVENT_FIELDS = [
  "event_id",
  "seq",
  "transaction_id",
  "tenant_id",
  "command_id",
  "root_command_id",
  "parent_command_id",
  "task_name",
  "purpose",
  "event_type",
  "payload",
  "actor",
  "trace_id",
  "target_type",
  "target_id",
  "step_index",
  "tool_name",
  "latency_ms",
  "token_usage",
  "cost_units",
  "created_at_us",
] as const;

export interface Evidence {
  readonly command_id: string;
  readonly tenant_id: string;
  readonly exported_at: string;
  readonly exported_by: string;
  /** The command first, then those below it. Ids as in the database. */
  readonly commands: readonly JsonObject[];
  readonly policy_decisions: readonly JsonObject[];
  readonly approvals: readonly JsonObject[];
  readonly effects: readonly JsonObject[];
  readonly invocations: readonly JsonObject[];
  readonly artifacts: readonly JsonObject[];
  readonly events: readonly EvidenceEvent[];
  /** Commands of which events were forgotten, their time being over; absent in files from before there was such a thing. */
  readonly forgotten?: readonly { readonly command_id: string; readonly events: number }[];
  /** From the first that covers one of the events to the last there was. */
  readonly seals: readonly EvidenceSeal[];
}

/** The bytes of the file. */
export function packEvidence(evidence: Evidence): string {
  const body = JSON.stringify(evidence);
  return `${headOf(body)}\n${body}\n`;
}

/** The body, once its digest is what the head says. Throws `Error` with what is wrong. */
export function unpackEvidence(text: string): Evidence {
  const end = text.indexOf("\n");
  if (end < 0) throw new Error("the file has no head");
  const [head, body] = [text.slice(0, end), text.slice(end + 1, -1)];
  if (!text.endsWith("\n")) throw new Error("the file's end is missing");
  if (!head.startsWith(`{"format":"${EVIDENCE_FORMAT}"`)) {
    throw new Error(`the file is not of the format ${EVIDENCE_FORMAT}`);
  }
  if (head !== headOf(body)) throw new Error("the digest in its head is not that of the body");
  return JSON.parse(body) as Evidence;
}

function headOf(body: string): string {
  const sha256 = createHash("sha256").update(body).digest("hex");
  return JSON.stringify({ format: EVIDENCE_FORMAT, sha256 });
}
