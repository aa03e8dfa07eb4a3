/** Owns `get_history`: the conversation in whole messages, newest page first. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { type ClientMessageOf, HISTORY_PAGE_DEFAULT } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { sessionFor } from "../access.ts";

export const getHistory = Effect.fn("getHistory")(function* (
  actor: Actor,
  { sessionId, cursor, limit = HISTORY_PAGE_DEFAULT }: ClientMessageOf<"get_history">,
) {
  yield* sessionFor(actor, "session:read", sessionId);
  const beforePlace = cursor === undefined ? null : Number(cursor);
  if (beforePlace !== null && !Number.isSafeInteger(beforePlace)) return yield* badCursor;
  const workers = yield* WorkerManager;
  const rows = yield* workers.read({ kind: "history", sessionId, beforePlace, limit: limit + 1 });
  const page = rows.slice(-limit);
  const older = rows.length > limit ? page[0]?.place : undefined;
  return {
    type: "history" as const,
    sessionId,
    messages: page.map(({ place: _, ...message }) => message),
    cursor: older === undefined ? null : String(older),
  };
});

const badCursor = refuse("INVALID_MESSAGE", "cursor is none that get_history has answered.");
