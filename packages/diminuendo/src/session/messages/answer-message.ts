/**
 * Owns `answer_question`: a person's decision on its way to Concord, which alone decides whether it counts.
 * The gateway's own check is that the approval was asked for in that very session.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import type { ClientMessageOf, ErrorCode } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { ConcordClient } from "../../upstream/ConcordClient.ts";
import type { Refused } from "../../upstream/upstream-http.ts";
import { sessionFor } from "../access.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  approval_already_decided: "ApprovalAlreadyDecided",
  approval_stale: "ApprovalAlreadyDecided",
  illegal_transition: "ApprovalAlreadyDecided",
  not_approver: "NotApprover",
  self_approval_refused: "NotApprover",
  policy_denied: "NotApprover",
  forbidden: "NotApprover",
  not_found: "ApprovalNotFound",
  validation_error: "INVALID_MESSAGE",
  invalid_request: "INVALID_MESSAGE",
};

export const answerQuestion = Effect.fn("answerQuestion")(function* (
  actor: Actor,
  message: ClientMessageOf<"answer_question">,
) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const { requestId, dismissed = false } = message;
  const { sessionId } = session;
  const workers = yield* WorkerManager;
  const known = yield* workers.read({ kind: "has_approval", sessionId, approvalId: requestId });
  if (!known) return yield* unknownApproval;
  const decision = dismissed ? ("rejected" as const) : message.answers.decision;
  const reason = message.answers.reason ?? (dismissed ? "The question was dismissed." : undefined);
  const concord = yield* ConcordClient;
  yield* concord
    .resolveApproval(actor, {
      approvalId: requestId,
      decision,
      ...(reason === undefined ? {} : { reason }),
    })
    .pipe(Effect.catchTag("Refused", (refused) => Effect.fail(asRefusal(refused))));
  return { type: "answer_accepted" as const, sessionId, requestId, decision };
});

const unknownApproval = refuse("ApprovalNotFound", "This session has no such approval.");

/** Codes that speak of the gateway itself (its key, its signature) are no business of the client's. */
const asRefusal = ({ code, message }: Refused) => {
  const known = CODES[code];
  return known === undefined
    ? refuse("UpstreamUnavailable", "The approval could not be decided now; try again later.")
    : refuse(known, message);
};
