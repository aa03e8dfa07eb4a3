/**
 * Owns which earlier turns an agent is told about: newest first until a bound is reached, told oldest first.
 * Pure. Source: docs/wire.md §3 (`history`, at most 40 messages).
 */
import { HISTORY_MESSAGES_MAX, type Message } from "./agent-step.ts";

/** Keeps a turn's command well below Concord's 1 MiB body limit. */
const HISTORY_CHARS_MAX = 120_000;

export interface FinishedTurn {
  readonly turnSeq: number;
  readonly text: string;
  readonly finalText: string;
}

/** Chooses from `newestFirst` the turns whose messages fit; returned oldest first. */
export function chooseHistory(newestFirst: readonly FinishedTurn[]): FinishedTurn[] {
  const chosen: FinishedTurn[] = [];
  let chars = 0;
  for (const turn of newestFirst) {
    chars += turn.text.length + turn.finalText.length;
    if (chars > HISTORY_CHARS_MAX || (chosen.length + 1) * 2 > HISTORY_MESSAGES_MAX) break;
    chosen.unshift(turn);
  }
  return chosen;
}

/** The messages of finished turns, in the order given. */
export function historyMessages(turns: readonly FinishedTurn[]): Message[] {
  return turns.flatMap((turn): Message[] => [
    { role: "user", content: turn.text },
    { role: "assistant", content: turn.finalText },
  ]);
}
