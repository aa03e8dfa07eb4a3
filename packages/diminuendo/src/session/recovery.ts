/**
 * Owns what happens to sessions that another process left behind: whatever was active goes down the legal way,
 * and a session with an open turn comes up again and is pursued, without any client doing anything.
 */
import * as Effect from "effect/Effect";
import { WorkerManager } from "../db/WorkerManager.ts";
import { Attachments } from "./Attachments.ts";
import { Billing } from "./Billing.ts";
import { dropDirectory } from "./messages/lifecycle-messages.ts";
import { Sessions } from "./Sessions.ts";
import { recovered } from "./session-steps.ts";

const AT_ONCE = 8;

/**
 * Run before clients are let in, for one tenant or with null for all. One session that cannot be recovered does not keep
 * the others down.
 */
export const recoverSessions = Effect.fnUntraced(function* (ofTenant: string | null) {
  const workers = yield* WorkerManager;
  const doomed = yield* workers.read({ kind: "doomed_sessions", ofTenant });
  for (const { tenantId, sessionId } of doomed) yield* dropDirectory(tenantId, sessionId);
  yield* (yield* Billing).recover(ofTenant);
  const left = yield* workers.read({ kind: "active_sessions", ofTenant });
  if (left.length === 0) return;
  yield* Effect.logInfo(`recovering ${left.length} sessions`);
  yield* Effect.forEach(left, ({ tenantId, row }) => recoverOne(tenantId, row.sessionId), {
    concurrency: AT_ONCE,
    discard: true,
  });
});

const recoverOne = (tenantId: string, sessionId: string) =>
  Effect.gen(function* () {
    const sessions = yield* Sessions;
    const attachments = yield* Attachments;
    const session = yield* sessions.find(tenantId, sessionId);
    yield* sessions.take(session, recovered);
    yield* sessions.reconcile(session);
    if (session.model.openTurn !== null) yield* attachments.pursue(session);
  }).pipe(
    Effect.catchCause((cause) => Effect.logError(`cannot recover session ${sessionId}`, cause)),
  );
