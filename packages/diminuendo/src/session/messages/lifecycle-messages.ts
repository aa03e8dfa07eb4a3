/**
 * Owns `rename_session`, `archive_session`, `unarchive_session` and `delete_session`. The registry says what a session
 * is called and whether it is put away; deleting ends its bond, takes it off the registry, removes its directory, and then
 * what its agent has at Podium (Removals.ts).
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { CurrentTrace } from "../../observability/trace.ts";
import type { ClientMessageOf, ServerMessageOf } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { Attachments } from "../Attachments.ts";
import { requirePermission, sessionFor } from "../access.ts";
import type { LiveSession } from "../LiveSession.ts";
import { Removals } from "../Removals.ts";
import { recallAnswer, rememberedAs } from "../remembering.ts";
import { Sessions } from "../Sessions.ts";
import type { SessionModel } from "../session-model.ts";

type Relabel = ClientMessageOf<"rename_session" | "archive_session" | "unarchive_session">;

export const relabelSession = Effect.fn("relabelSession")(function* (
  cause: Cause,
  actor: Actor,
  message: Relabel,
) {
  const needed = message.type === "rename_session" ? "session:write" : "session:archive";
  const session = yield* sessionFor(actor, needed, message.sessionId);
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const decide = Effect.fnUntraced(function* ({ openTurn }: SessionModel) {
    if (message.type === "archive_session" && openTurn !== null) return yield* busy;
    return { answer: yield* relabel(session, actor, message) };
  });
  const answer = yield* (yield* Sessions).change(session, decide);
  (yield* Broadcaster).toTenantOf(cause, actor.tenant, answer);
  return answer;
});

const relabel = Effect.fnUntraced(function* (session: LiveSession, actor: Actor, message: Relabel) {
  const { sessionId, tenantId } = session;
  const nowMs = yield* Clock.currentTimeMillis;
  const label =
    message.type === "rename_session"
      ? { name: message.name }
      : { archived: message.type === "archive_session" };
  const meta = { ...session.meta, ...label, updatedAt: nowMs };
  const answer: ServerMessageOf<"session_updated"> = { type: "session_updated", session: meta };
  const remembered = rememberedAs(actor, message, answer);
  const workers = yield* WorkerManager;
  const place = { kind: "label_session", tenantId, sessionId, nowMs } as const;
  const row = yield* workers.write({ ...place, ...label, remembered });
  if (row === null) return yield* refuse("SessionNotFound", "This session was deleted.");
  session.relabelled(row);
  return answer;
});

export const deleteSession = Effect.fn("deleteSession")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"delete_session">,
) {
  yield* requirePermission(actor, "session:delete");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const session = yield* sessionFor(actor, "session:delete", message.sessionId);
  const { sessionId } = session;
  const answer = { type: "session_deleted" as const, sessionId };
  const sessions = yield* Sessions;
  const decide = Effect.fnUntraced(function* ({ openTurn }: SessionModel) {
    if (openTurn !== null) return yield* busy;
    yield* forget(session, actor, message);
    return { answer: session.attachment };
  });
  const bond = yield* sessions.change(session, decide);
  const broadcaster = yield* Broadcaster;
  broadcaster.toTenantOf(cause, actor.tenant, answer);
  broadcaster.endSession(sessionId);
  yield* (yield* Attachments).abandon(bond);
  yield* dropDirectory(actor.tenant, sessionId);
  yield* (yield* Removals).pursue(actor.tenant, sessionId);
  return answer;
});

/** From here on nobody finds it; nothing more is written to it. */
const forget = Effect.fnUntraced(function* (
  session: LiveSession,
  actor: Actor,
  message: ClientMessageOf<"delete_session">,
) {
  const { sessionId, tenantId } = session;
  const remembered = rememberedAs(actor, message, { type: "session_deleted", sessionId });
  const nowMs = yield* Clock.currentTimeMillis;
  const traceId = ((yield* CurrentTrace) ?? newTrace()).traceId;
  const workers = yield* WorkerManager;
  const forget = { kind: "forget_session", tenantId, sessionId, nowMs, remembered } as const;
  yield* workers.write({ ...forget, deletion: { actor, traceId } });
  (yield* Sessions).forget(session, "deleted");
});

/** The writer commits what waits before it deletes; also run at start for what a crash has left. */
export const dropDirectory = Effect.fnUntraced(function* (tenantId: string, sessionId: string) {
  const workers = yield* WorkerManager;
  yield* workers.read({ kind: "drop_session", sessionId });
  yield* workers.write({ kind: "drop_session", sessionId });
  yield* workers.write({ kind: "session_dropped", tenantId, sessionId });
});

const busy = refuse(
  "TurnInProgress",
  "The session is busy with a turn; stop it, or wait for its end.",
);
