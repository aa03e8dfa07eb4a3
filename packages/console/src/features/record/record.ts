/**
 * Owns the record of a command as people read it: Concord's timeline (docs/wire.md §2) checked at the edge,
 * each entry with the few facts worth seeing without opening it. Pure.
 */
import { formatMoment, formatValue, humanize } from "../../lib/format.ts";
import { decisionSentence, movedSentence } from "./record-words.ts";

export const ENTRY_KINDS = [
  "status",
  "policy",
  "plan",
  "approval",
  "effect",
  "connector",
  "artifact",
  "agent",
  "other",
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

export interface RecordEntry {
  readonly key: string;
  readonly atMs: number;
  readonly kind: EntryKind;
  readonly commandId: string;
  /** A sentence. */
  readonly title: string;
  readonly facts: readonly string[];
  readonly actor: string | null;
  readonly tone: "neutral" | "good" | "bad" | "waiting";
  readonly eventType: string;
  readonly payload: unknown;
}

export interface CommandRecord {
  readonly commandId: string;
  readonly taskName: string;
  readonly status: string;
  readonly requestedBy: string | null;
  readonly traceId: string | null;
  readonly entries: readonly RecordEntry[];
}

type Json = Readonly<Record<string, unknown>>;

/** Throws with a sentence for people when the answer is not a timeline. */
export function readRecord(body: unknown): CommandRecord {
  const { command, entries } = asJson(body);
  if (!Array.isArray(entries)) throw new Error("The gateway sent a record that makes no sense.");
  const about = asJson(command);
  return {
    commandId: String(about["command_id"] ?? ""),
    taskName: String(about["task_name"] ?? ""),
    status: String(about["status"] ?? "unknown"),
    requestedBy: text(about["requested_by"]),
    traceId: text(about["trace_id"]),
    entries: entries.map(readEntry),
  };
}

function readEntry(value: unknown, index: number): RecordEntry {
  const entry = asJson(value);
  const payload = asJson(entry["payload"]);
  const kind = ENTRY_KINDS.find((one) => one === entry["kind"]) ?? "other";
  const eventType = String(entry["event_type"] ?? "");
  return {
    key: `${String(entry["cursor"] ?? index)}-${index}`,
    atMs: Date.parse(String(entry["at"])) || 0,
    kind,
    commandId: String(entry["command_id"] ?? ""),
    title: titleOf(entry, eventType, payload),
    facts: factsOf(entry, payload),
    actor: text(entry["actor"]) ?? text(asJson(entry["actor"])["user"]),
    tone: toneOf(eventType, payload),
    eventType,
    payload: entry["payload"] ?? null,
  };
}

/** Concord's own title, unless what it says to machines can be said to people. */
function titleOf(entry: Json, eventType: string, payload: Json): string {
  const own = text(entry["title"]) ?? humanize(eventType || "event");
  if (eventType === "policy_evaluated") return decisionSentence(payload) ?? own;
  if (eventType === "state_transitioned") return movedSentence(payload) ?? own;
  return own;
}

const FACTS_MAX = 4;

/** The detail line and the reasons of a decision: what a reader would open the entry for. */
function factsOf(entry: Json, payload: Json): readonly string[] {
  const detail = text(entry["detail"]);
  const reasons = Array.isArray(payload["reasons"]) ? payload["reasons"].map(reasonText) : [];
  const reason = text(payload["reason"]);
  // Concord's detail line of a decision is its reasons in one line; one to a line reads better.
  const own = detail === reasons.join("; ") ? null : inReadersTime(detail);
  const facts = [own, ...reasons, reason].filter((fact) => fact !== null && fact !== "");
  return [...new Set(facts as string[])].slice(0, FACTS_MAX);
}

const MOMENT = /\b\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** Moments as the reader's clock shows them. */
function inReadersTime(detail: string | null): string | null {
  return detail?.replace(MOMENT, (moment) => formatMoment(Date.parse(moment))) ?? null;
}

function reasonText(reason: unknown): string {
  const json = asJson(reason);
  return text(json["reason"]) ?? text(json["message"]) ?? formatValue(reason);
}

function toneOf(eventType: string, payload: Json): RecordEntry["tone"] {
  if (payload["ok"] === false) return "bad";
  const words = [payload["to"], payload["decision"], payload["status"], eventType].map(String);
  if (words.some((word) => /fail|denied|deny|reject|expired/.test(word))) return "bad";
  if (words.some((word) => /waiting|require_approval|approval_requested/.test(word))) {
    return "waiting";
  }
  if (words.some((word) => /succeeded|approved|completed|artifact_created/.test(word)))
    return "good";
  return "neutral";
}

function asJson(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
