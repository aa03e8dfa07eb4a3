/**
 * Owns how a conversation, an approval and a record read on a terminal. Pure: events and entries in, text
 * out. Refuses to own: where the text goes.
 */
import type { SessionEvent } from "@concert/sdk";

/** What to print for `event`; empty for what a person need not see. Pieces of text join up as they come. */
export function tellEvent(event: SessionEvent): string {
  switch (event.type) {
    case "user_message":
      return `\nYou    ${event.text}\n`;
    case "message_started":
      return "\nAgent  ";
    case "message_restarted":
      return "\n       (interrupted; from the start)\nAgent  ";
    case "text_delta":
      return event.text;
    case "message_complete":
      return "\n";
    case "tool_call":
      return `\n  → ${event.toolName} ${JSON.stringify(event.arguments)}\n`;
    case "command_status":
      return `    ${event.taskName}: ${event.status}\n`;
    case "tool_error":
      return `    ${event.toolName} failed (${event.error.class}): ${event.error.message}\n`;
    case "approval_resolved":
      return `    ${event.decision} by ${event.decidedBy ?? "nobody"}\n`;
    case "turn_error":
      return `\n  The turn failed (${event.code}): ${event.message}\n`;
    default:
      return "";
  }
}

/** The review packet (docs/wire.md §2) as a card. Fields that are missing or of another shape are left out. */
export function tellReviewPacket(packet: Readonly<Record<string, unknown>>): string {
  const rows: [string, string][] = [
    ["action", words(packet["action"])],
    ["asked by", words(packet["requester"])],
    ["because", words(packet["why"])],
    ["policy", words(packet["triggering_policy"])],
    ...affectedRows(packet["affected"]),
    ["then", words(packet["after_approval"])],
    ["risk", words(packet["risk_level"])],
    ["until", words(packet["expires_at"])],
    ["bound to", words(packet["payload_hash"])],
  ];
  const shown = rows.filter(([, value]) => value !== "");
  const width = Math.max(...shown.map(([label]) => label.length));
  const lines = shown.map(([label, value]) => `  │ ${label.padEnd(width)}  ${value}`);
  return ["  ┌ approval needed", ...lines, "  └"].join("\n");
}

export interface TimelineEntry {
  readonly at: string;
  readonly kind: string;
  readonly title: string;
  readonly detail?: string | null;
  readonly command_id: string;
}

/**
 * The record: one line per entry, with the time since the first, what kind it is, and the sentence. What
 * belongs to a command that came of the first one is set in.
 */
export function tellTimeline(entries: readonly TimelineEntry[]): string {
  const startMs = Date.parse(entries[0]?.at ?? "");
  const width = Math.max(...entries.map(({ kind }) => kind.length), 0);
  return entries
    .map(({ at, kind, title, detail, command_id }) => {
      const time = `+${((Date.parse(at) - startMs) / 1000).toFixed(3)} s`.padStart(11);
      const more = detail === null || detail === undefined || detail === "" ? "" : ` (${detail})`;
      const indent = command_id === entries[0]?.command_id ? "" : "  ";
      return `${time}  ${kind.padEnd(width)}  ${indent}${title}${more}`;
    })
    .join("\n");
}

function affectedRows(affected: unknown): [string, string][] {
  if (!Array.isArray(affected)) return [];
  return affected.flatMap((row: unknown): [string, string][] =>
    typeof row === "object" && row !== null && "label" in row && "value" in row
      ? [[String(row.label), words(row.value)]]
      : [],
  );
}

function words(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(words).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
