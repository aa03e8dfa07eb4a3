/** Owns `list_deleted_sessions`: who deleted which session, and whether its agent's log and workspace are gone as well. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { type ClientMessageOf, DELETIONS_PAGE_MAX } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../access.ts";

export const listDeletedSessions = Effect.fn("listDeletedSessions")(function* (
  actor: Actor,
  { cursor, limit = DELETIONS_PAGE_MAX }: ClientMessageOf<"list_deleted_sessions">,
) {
  yield* requirePermission(actor, "session:delete");
  if (!/^\d{1,15}$/.test(cursor ?? "0")) return yield* badCursor;
  const beforePlace = cursor === undefined ? null : Number(cursor);
  const query = { kind: "deleted_sessions", tenantId: actor.tenant, beforePlace } as const;
  const found = yield* (yield* WorkerManager).read({ ...query, limit: limit + 1 });
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  const more = last === undefined ? {} : { cursor: String(last.place) };
  return {
    type: "deleted_sessions" as const,
    deletions: page.map(({ value }) => value),
    ...more,
  };
});

const badCursor = refuse("INVALID_MESSAGE", "cursor is none that list_deleted_sessions answered.");
