/** Owns what a finished message does to a session: the conversation keeps it. Pure. */
import type { EventDraftOf } from "../../domain/podium-event.ts";
import { inOrder, keep, type Step, tell } from "../session-model.ts";

export function messageComplete(draft: EventDraftOf<"message_complete">): Step {
  const { messageId, text, turnId } = draft;
  return inOrder(
    tell(draft),
    keep([{ kind: "message", messageId, turnId: turnId ?? null, role: "assistant", text }], {}),
  );
}
