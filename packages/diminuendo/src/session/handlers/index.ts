/**
 * Owns which family an event belongs to. Events that only have to be told (thinking, tools, text)
 * need no handler: they go into the log and on to the clients.
 */
import { coalesceDeltas } from "../../domain/coalesce.ts";
import type { EventDraft, PodiumEvent } from "../../domain/podium-event.ts";
import { mapPodiumEvent } from "../../domain/podium-event-mapper.ts";
import { textDeltaOf } from "../../domain/text-delta.ts";
import { inOrder, keep, type Step, tell } from "../session-model.ts";
import { steerApplied } from "../waiting-steps.ts";
import {
  approvalResolved,
  permissionRequested,
  questionRequested,
  questionResolved,
} from "./approval.ts";
import { messageComplete } from "./message.ts";
import { turnEnded, turnStarted, usageUpdated } from "./turn.ts";

/** What a run of Podium's events, in order, does to a session; its cursor moves in the same commit. */
export function podiumEventsArrived(events: readonly PodiumEvent[]): Step {
  const mapped = events.map((event) => textDeltaOf(event) ?? mapPodiumEvent(event));
  const drafts = coalesceDeltas(mapped.flat());
  const podiumEventId = events.at(-1)?.eventId;
  const cursor = podiumEventId === undefined ? {} : { podiumEventId };
  if (drafts.every(({ type }) => type === "text_delta")) {
    return (model) => ({ model: { ...model, ...cursor }, drafts, rows: [] });
  }
  return inOrder(...drafts.map(eventArrived), keep([], cursor));
}

function eventArrived(draft: EventDraft): Step {
  switch (draft.type) {
    case "turn_started":
      return turnStarted(draft);
    case "usage_update":
      return usageUpdated(draft);
    case "turn_complete":
    case "turn_error":
      return turnEnded(draft);
    case "message_complete":
      return messageComplete(draft);
    case "steer_applied":
      return steerApplied(draft);
    case "permission_requested":
      return permissionRequested(draft);
    case "approval_resolved":
      return approvalResolved(draft);
    case "question_requested":
      return questionRequested(draft);
    case "question_resolved":
      return questionResolved(draft);
    default:
      return tell(draft);
  }
}
