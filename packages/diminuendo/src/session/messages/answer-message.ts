/**
 * Owns `answer_question`: a person's decision, or what a question asks for, on its way to Concord, which alone decides
 * whether it counts. The gateway's own check is that it was asked for in that very session.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { isQuestion } from "../../domain/request-ids.ts";
import type { ClientMessageOf, ErrorCode, Problem } from "../../protocol/index.ts";
import { Refusal, refuse } from "../../security/Refusal.ts";
import { ConcordClient } from "../../upstream/ConcordClient.ts";
import type { Refused } from "../../upstream/upstream-http.ts";
import { sessionFor } from "../access.ts";

type Codes = Readonly<Record<string, ErrorCode>>;
const OF_APPROVALS: Codes = {
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
const OF_QUESTIONS: Codes = {
  illegal_transition: "QuestionClosed",
  cancellation_closed: "QuestionClosed",
  forbidden: "PermissionDenied",
  not_found: "QuestionNotFound",
  validation_error: "InvalidAnswer",
  invalid_request: "InvalidAnswer",
};
const DISMISSED = "The question was dismissed.";

type Message = ClientMessageOf<"answer_question">;

export const answerQuestion = Effect.fn("answerQuestion")(function* (
  actor: Actor,
  message: Message,
) {
  const { sessionId } = yield* sessionFor(actor, "session:write", message.sessionId);
  const { requestId } = message;
  const workers = yield* WorkerManager;
  const commandId = yield* workers.read({ kind: "asking_command", sessionId, requestId });
  const ofQuestion = isQuestion(requestId);
  if (commandId === null) return yield* ofQuestion ? unknownQuestion : unknownApproval;
  const decision = yield* ofQuestion ? answer(actor, commandId, message) : decide(actor, message);
  return { type: "answer_accepted" as const, sessionId, requestId, decision };
});

const decide = Effect.fnUntraced(function* (actor: Actor, message: Message) {
  const { requestId: approvalId, answers, dismissed = false } = message;
  if (!dismissed && !("decision" in answers)) return yield* needsDecision;
  const said = "decision" in answers ? answers : { decision: "rejected" as const };
  const decision = dismissed ? ("rejected" as const) : said.decision;
  const reason =
    ("reason" in said ? said.reason : undefined) ?? (dismissed ? DISMISSED : undefined);
  const concord = yield* ConcordClient;
  yield* concord
    .resolveApproval(actor, { approvalId, decision, ...(reason === undefined ? {} : { reason }) })
    .pipe(Effect.catchTag("Refused", (refused) => Effect.fail(asRefusal(refused, OF_APPROVALS))));
  return decision;
});

/** Left unanswered for good, what the question was asked for is cancelled, and the agent reads that. */
const answer = Effect.fnUntraced(function* (actor: Actor, commandId: string, message: Message) {
  const { requestId, answers, dismissed = false } = message;
  if (!dismissed && !("input" in answers)) return yield* needsInput;
  const input = "input" in answers ? answers.input : {};
  const concord = yield* ConcordClient;
  yield* concord
    .act(actor, (acts) =>
      dismissed
        ? acts.dismissInput(commandId, requestId)
        : acts.provideInput(commandId, input, requestId),
    )
    .pipe(Effect.catchTag("Refused", (refused) => Effect.fail(asRefusal(refused, OF_QUESTIONS))));
  return dismissed ? ("dismissed" as const) : ("answered" as const);
});

const unknownApproval = refuse("ApprovalNotFound", "This session has no such approval.");
const unknownQuestion = refuse("QuestionNotFound", "This session has no such question.");
const needsDecision = refuse(
  "INVALID_MESSAGE",
  'This is an approval; answers needs a decision, "approved" or "rejected".',
);
const needsInput = refuse(
  "INVALID_MESSAGE",
  "This is a question; answers needs input, an object that fits its answerSchema.",
);

/** Codes that speak of the gateway itself (its key, its signature) are no business of the client's. */
const asRefusal = ({ code, message, details }: Refused, codes: Codes) => {
  const known = codes[code];
  if (known === undefined) {
    return refuse("UpstreamUnavailable", "It could not be answered now; try again later.");
  }
  const problems = known === "InvalidAnswer" ? problemsIn(details) : [];
  return new Refusal({ code: known, message, ...(problems.length === 0 ? {} : { problems }) });
};

/** Concord's `[{path, message}]`; a list of anything else says nothing. */
function problemsIn(details: unknown): readonly Problem[] {
  if (!Array.isArray(details)) return [];
  return details.flatMap((one: { readonly path?: unknown; readonly message?: unknown } | null) =>
    typeof one?.path === "string" && typeof one.message === "string"
      ? [{ path: one.path, problem: one.message }]
      : [],
  );
}
