/**
 * Owns what happens to sessions that another process left behind: whatever was active goes down the legal way,
 * and a session with an open turn comes up again and is pursued, without any client doing anything.
 */
import * as Effect from "effect/Effect";
import { WorkerManager } from "../db/WorkerManager.ts";
import { Attachments } from "./Attachments.ts";
import { Billing } from "./Billing.ts";
import type { LiveSession } from "./LiveSession.ts";
import { dropDirectory } from "./messages/lifecycle-messages.ts";
import { Removals } from "./Removals.ts";
import { Sessions } from "./Sessions.ts";

/** Many, because what they write to their tenant's registry is then one commit. */
const AT_ONCE = 64;

/**
 * Of one tenant or with null of all. What is to be done is found out before clients are let in, so that nothing of
 * theirs is taken for what was left; the effect it answers does it, beside them. A client that comes to a session sooner
 * finds it recovered all the same (Sessions.ts). One session that cannot be recovered does not keep the others down.
 */
export const recovery = Effect.fnUntraced(function* (ofTenant: string | null) {
  const workers = yield* WorkerManager;
  const { releaseDead } = yield* Billing;
  const leftOver = yield* workers.read({ kind: "left_over", ofTenant });
  const { doomed, unremoved, held, active: left } = leftOver;
  for (const { tenantId, sessionId } of doomed) yield* dropDirectory(tenantId, sessionId);
  const { pursue } = yield* Removals;
  for (const { tenantId, sessionId } of unremoved) yield* pursue(tenantId, sessionId);
  if (left.length > 0) yield* Effect.logInfo(`recovering ${left.length} sessions`);
  return Effect.gen(function* () {
    yield* Effect.forEach(left, ({ tenantId, row }) => recoverOne(tenantId, row.sessionId), {
      concurrency: AT_ONCE,
      discard: true,
    });
    // After the sessions: of those that run on nobody needs to look into their databases.
    const { peek } = yield* Sessions;
    yield* releaseDead(held, ({ sessionId, turnId }) => holds(peek(sessionId), turnId));
  });
});

/** Whether the turn runs, waits to, or is what words for the open one would become. */
function holds(session: LiveSession | undefined, turnId: string): boolean {
  if (session === undefined) return false;
  const { openTurn, waiting, steers } = session.model;
  return (
    openTurn?.turnId === turnId ||
    waiting.some(({ turn }) => turn.turnId === turnId) ||
    steers.some(({ nextTurnId }) => nextTurnId === turnId)
  );
}

const recoverOne = (tenantId: string, sessionId: string) =>
  Effect.gen(function* () {
    const sessions = yield* Sessions;
    const attachments = yield* Attachments;
    const session = yield* sessions.find(tenantId, sessionId);
    yield* sessions.reconcile(session);
    if (session.model.openTurn !== null) yield* attachments.pursue(session);
  }).pipe(
    Effect.catchCause((cause) => Effect.logError(`cannot recover session ${sessionId}`, cause)),
  );
