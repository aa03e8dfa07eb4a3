/**
 * Owns the short way to the one event that comes ten thousand times a second: a piece of text, read by plain checks
 * instead of its schema. Answers what `mapPodiumEvent` would, or nothing; who gets nothing asks that. Pure.
 */
import type { EventDraftOf, PodiumEvent } from "./podium-event.ts";

const ID_CHARS_MAX = 200;

export function textDeltaOf({
  eventType,
  turnId,
  content,
}: PodiumEvent): EventDraftOf<"text_delta"> | undefined {
  if (eventType !== "stream_update" || typeof content !== "object" || content === null) return;
  const { message_id: messageId, attempt, text } = content as Readonly<Record<string, unknown>>;
  if (!isId(messageId) || !isCount(attempt) || typeof text !== "string") return;
  if (turnId === null) return { type: "text_delta", messageId, attempt, text };
  return isId(turnId) ? { type: "text_delta", turnId, messageId, attempt, text } : undefined;
}

const isId = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= ID_CHARS_MAX;

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
