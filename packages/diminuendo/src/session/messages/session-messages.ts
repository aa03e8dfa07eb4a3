/** Owns `list_sessions` and `create_session`. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { type ClientMessageOf, SESSIONS_PAGE_MAX, type SessionMeta } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { PodiumClient } from "../../upstream/PodiumClient.ts";
import { requirePermission } from "../access.ts";
import { newId } from "../ids.ts";
import { type SessionPlace, Sessions } from "../Sessions.ts";

type CreateSession = ClientMessageOf<"create_session">;

export const listSessions = Effect.fn("listSessions")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_sessions">,
) {
  yield* requirePermission(actor, "session:read");
  const { includeArchived = false, cursor, limit = SESSIONS_PAGE_MAX } = message;
  const after = cursor === undefined ? null : placeOf(cursor);
  if (after === undefined) return yield* badCursor;
  const page = { includeArchived, after, limit };
  const { sessions, next } = yield* (yield* Sessions).list(actor.tenant, page);
  const more = next === null ? {} : { cursor: `${next.updatedAt}:${next.sessionId}` };
  return { type: "session_list" as const, sessions, ...more };
});

function placeOf(cursor: string): SessionPlace | undefined {
  const [, updatedAt, sessionId] = /^(\d{1,15}):([\w-]+)$/.exec(cursor) ?? [];
  return sessionId === undefined ? undefined : { updatedAt: Number(updatedAt), sessionId };
}

const badCursor = refuse("INVALID_MESSAGE", "cursor is none that list_sessions has answered.");

export const createSession = Effect.fn("createSession")(function* (
  cause: Cause,
  actor: Actor,
  message: CreateSession,
) {
  yield* requirePermission(actor, "session:create");
  yield* requireRunnable(message.agentType);
  const workers = yield* WorkerManager;
  const row = newRow(message, yield* Clock.currentTimeMillis);
  const created = yield* workers.write({
    kind: "create_session",
    tenantId: actor.tenant,
    row,
    userId: actor.user,
    idempotency: idempotencyOf(message),
  });
  if (created.kind === "conflict") return yield* conflict;
  if (created.kind === "repeated") {
    const sessions = yield* Sessions;
    return answer((yield* sessions.find(actor.tenant, created.sessionId)).meta);
  }
  const broadcaster = yield* Broadcaster;
  broadcaster.toTenantOf(cause, actor.tenant, answer(row));
  return answer(row);
});

const requireRunnable = Effect.fnUntraced(function* (agentType: string) {
  const known = yield* (yield* PodiumClient).typesInsteadOf(agentType);
  if (known === null) return;
  const name = JSON.stringify(agentType.slice(0, 60));
  return yield* refuse("INVALID_MESSAGE", `No agentType is ${name}; known: ${known.join(", ")}.`);
});

const answer = (session: SessionMeta) => ({ type: "session_created" as const, session });

const conflict = refuse(
  "IdempotencyConflict",
  "This idempotencyKey has created another session; use a new key.",
);

function newRow({ agentType, name }: CreateSession, nowMs: number) {
  return {
    sessionId: newId("sess"),
    name: name ?? "New session",
    agentType,
    status: "inactive" as const,
    createdAt: nowMs,
    updatedAt: nowMs,
    archived: false,
    lastSeq: 0,
    waitingFor: null,
  };
}

function idempotencyOf({ idempotencyKey, agentType, name }: CreateSession) {
  if (idempotencyKey === undefined) return null;
  return { key: idempotencyKey, fingerprint: JSON.stringify([agentType, name ?? null]) };
}
