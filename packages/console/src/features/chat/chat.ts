/**
 * Owns how a session's view becomes rows of a conversation, and which sentences are read aloud. Pure.
 */
import type { SessionView, ThreadItem, TurnView } from "@concert/sdk";
import { humanize } from "../../lib/format.ts";
import type { OutboxMessage } from "../../lib/gateway-state.ts";

export type ThreadRow =
  | { readonly kind: "item"; readonly key: string; readonly item: ThreadItem }
  | { readonly kind: "turn_footer"; readonly key: string; readonly turn: TurnView }
  | { readonly kind: "outbox"; readonly key: string; readonly message: OutboxMessage }
  | { readonly kind: "working"; readonly key: string; readonly label: string };

/** The rows of a conversation, oldest first. Rows keep their key from the first event to the last. */
export function threadRows(
  view: SessionView,
  outbox: readonly OutboxMessage[],
): readonly ThreadRow[] {
  const rows: ThreadRow[] = [];
  const turns = new Map(view.turns.map((turn) => [turn.turnId, turn]));
  view.items.forEach((item, index) => {
    if (!isBlank(item)) rows.push({ kind: "item", key: `${item.kind}-${item.id}`, item });
    const turn = item.turnId === null ? undefined : turns.get(item.turnId);
    const lastOfTurn = view.items[index + 1]?.turnId !== item.turnId;
    if (turn?.endedAt != null && lastOfTurn) {
      rows.push({ kind: "turn_footer", key: `footer-${turn.turnId}`, turn });
    }
  });
  for (const message of outbox) {
    rows.push({ kind: "outbox", key: `outbox-${message.idempotencyKey}`, message });
  }
  const label = workingLabel(view, outbox);
  if (label !== null) rows.push({ kind: "working", key: "working", label });
  return rows;
}

const CHUNK_ROWS = 40;

/**
 * Rows in groups that the browser may skip as a whole while they are off the page. A row never changes its
 * group, since rows are only added at the end.
 */
export function rowChunks(rows: readonly ThreadRow[]): readonly (readonly ThreadRow[])[] {
  const count = Math.ceil(rows.length / CHUNK_ROWS);
  return Array.from({ length: count }, (_, index) =>
    rows.slice(index * CHUNK_ROWS, (index + 1) * CHUNK_ROWS),
  );
}

/** Whether drawing `right` instead of `left` would change nothing on the page. */
export function sameRows(left: readonly ThreadRow[], right: readonly ThreadRow[]): boolean {
  return left.length === right.length && left.every((row, index) => sameRow(row, right[index]));
}

function sameRow(left: ThreadRow, right: ThreadRow | undefined): boolean {
  if (right === undefined || left.key !== right.key) return false;
  return contentOf(left) === contentOf(right);
}

function contentOf(row: ThreadRow): unknown {
  switch (row.kind) {
    case "item":
      return row.item;
    case "turn_footer":
      return row.turn;
    case "outbox":
      return row.message;
    case "working":
      return row.label;
  }
}

/** What the agent is doing when nothing on the page shows it. */
function workingLabel(view: SessionView, outbox: readonly OutboxMessage[]): string | null {
  if (view.activeTurnId === null) {
    return outbox.some((message) => message.failure === null) ? "Sending…" : null;
  }
  const last = view.items.findLast((item) => item.turnId === view.activeTurnId && !isBlank(item));
  if (last?.kind === "assistant" && last.state === "streaming") return null;
  if (last?.kind === "thinking" && last.state === "streaming") return null;
  const waits = view.items.some((item) => isOpenRequest(item, view));
  if (waits) return null;
  if (last?.kind === "tool" && last.outcome.kind === "none") {
    return `${humanize(last.toolName)}…`;
  }
  return view.status === "activating" ? "Waking the agent…" : "Thinking…";
}

/** Its card says what is waited for. */
function isOpenRequest(item: ThreadItem, view: SessionView): boolean {
  const asks = item.kind === "approval" || (item.kind === "question" && item.commandId !== null);
  return asks && item.resolution === null && item.turnId === view.activeTurnId;
}

/** A message that only proposed tool calls has no words to show. */
function isBlank(item: ThreadItem): boolean {
  return (item.kind === "assistant" || item.kind === "thinking") && item.text.trim() === "";
}

export type Tone = "quiet" | "busy" | "waiting" | "good" | "bad";

/** How a command's status reads and feels. Statuses unknown to us are shown as they are. */
export function commandState(status: string): { readonly label: string; readonly tone: Tone } {
  if (status === "succeeded") return { label: "Done", tone: "good" };
  if (/fail|denied|expired|dead/.test(status)) return { label: humanize(status), tone: "bad" };
  if (/cancel|reject/.test(status)) return { label: humanize(status), tone: "quiet" };
  if (/approval/.test(status)) return { label: "Waiting for approval", tone: "waiting" };
  if (status === "compensated") return { label: "Undone", tone: "quiet" };
  if (status === "waiting_for_input") return { label: "Waiting for your answer", tone: "waiting" };
  if (/wait|blocked/.test(status)) return { label: humanize(status), tone: "waiting" };
  if (status === "proposed") return { label: "Proposed", tone: "quiet" };
  return { label: humanize(status), tone: "busy" };
}

const SENTENCE_END = /[.!?…](?=["')\]]*(\s|$))/g;

/**
 * The whole sentences of `text` beyond the first `spoken` characters, and how far they reach. A message that
 * is `complete` is spoken to its end.
 */
export function nextSentences(
  text: string,
  spoken: number,
  complete: boolean,
): { readonly say: string; readonly spoken: number } {
  const rest = text.slice(spoken);
  const ends = [...rest.matchAll(SENTENCE_END)];
  const lastEnd = ends.at(-1);
  const length = complete ? rest.length : lastEnd === undefined ? 0 : lastEnd.index + 1;
  return {
    say: rest
      .slice(0, length)
      .replace(/[*_`#>]/g, "")
      .trim(),
    spoken: spoken + length,
  };
}
