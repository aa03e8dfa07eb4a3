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
import { Sessions } from "./Sessions.ts";
import { recovered } from "./session-steps.ts";

/** Many, because what they write to their tenant's registry is then one commit. */
const AT_ONCE = 128;

/**
 * Run before clients are let in, for one tenant or with null for all. One session that cannot be recovered does not keep
 * the others down.
 */
export const recoverSessions = Effect.fnUntraced(function* (ofTenant: string | null) {
  const workers = yield* WorkerManager;
  const doomed = yield* workers.read({ kind: "doomed_sessions", ofTenant });
  for (const { tenantId, sessionId } of doomed) yield* dropDirectory(tenantId, sessionId);
  const left = yield* workers.read({ kind: "active_sessions", ofTenant });
  if (left.length > 0) yield* Effect.logInfo(`recovering ${left.length} sessions`);
  yield* Effect.forEach(left, ({ tenantId, row }) => recoverOne(tenantId, row.sessionId), {
    concurrency: AT_ONCE,
    discard: true,
  });
  // After the sessions: of those that run on nobody needs to look into their databases.
  const { peek } = yield* Sessions;
  const isAlive = (sessionId: string, turnId: string) => holds(peek(sessionId), turnId);
  yield* (yield* Billing).recover(ofTenant, isAlive);
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
    const before = session.model.status;
    yield* sessions.take(session, recovered);
    // A change of state tells the registry by itself.
    if (session.model.status === before) yield* sessions.reconcile(session);
    if (session.model.openTurn !== null) yield* attachments.pursue(session);
  }).pipe(
    Effect.catchCause((cause) => Effect.logError(`cannot recover session ${sessionId}`, cause)),
  );
