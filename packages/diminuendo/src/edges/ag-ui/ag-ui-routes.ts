/**
 * Owns AG-UI over HTTP: a run is a turn, or what is left of one after an approval, of the session that its thread is. Each
 * step is a message of the client protocol with its checks. Keeps nothing: a thread that is no session's id is found again
 * by the idempotency key under which its session was made.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import type { HistoryMessage, SessionEvent, SessionMeta } from "../../protocol/index.ts";
import { Refusal, refuse } from "../../security/Refusal.ts";
import { ask } from "../../transport/http/ask.ts";
import type { Asked, PersonRoute } from "../../transport/http/routes.ts";
import { streamed } from "../../transport/http/streams.ts";
import { Router } from "../../transport/Router.ts";
import type { AgUiEvent } from "./events.ts";
import { Run } from "./Run.ts";
import { RunStream } from "./RunStream.ts";
import { answerOf, RunInput, type Wish, wishOf } from "./run-input.ts";

const HISTORY_MAX = 200;

export const AG_UI_ROUTES: readonly PersonRoute[] = [
  {
    method: "POST",
    path: "/api/ag-ui/{agentType}",
    summary: "A run of AG-UI with this agent, as server-sent events (docs/edges.md).",
    permission: "session:read",
    body: RunInput,
    answer: (actor, asked) => run(actor, asked),
  },
];

const run = Effect.fnUntraced(function* (actor: Actor, { request, path, body }: Asked) {
  const input = body as RunInput;
  const wish = wishOf(input);
  if (wish.kind === "unreadable") {
    return yield* refuse("INVALID_MESSAGE", `A turn is text; the last message has ${wish.what}.`);
  }
  const session = yield* sessionOf(actor, path["agentType"] ?? "", input.threadId);
  const part = yield* partOf(actor, session, input, wish);
  const begin = [...opening(input, session), ...part.before];
  const { threadId, runId } = input;
  if (part.turnId === null) return nothingToTell(begin, { threadId, runId });
  const told = new Run({ threadId, runId, turnId: part.turnId, answered: part.answered });
  const router = yield* Router;
  const { sessionId } = session;
  const place = { sessionId, afterSeq: part.afterSeq, onEpoch: () => undefined };
  return yield* streamed(
    request,
    (needs) => new RunStream(needs, told, begin),
    (stream) =>
      Effect.tap(router.follow(stream, actor, place), () => Effect.sync(() => stream.caughtUp())),
  );
});

/** A thread is a session's id, or the client's own name for one, which begins one the first time. */
const sessionOf = Effect.fnUntraced(function* (actor: Actor, agentType: string, threadId: string) {
  const router = yield* Router;
  const known = yield* router.session(actor, threadId).pipe(
    Effect.catchIf(
      (error) => error instanceof Refusal && error.code === "SessionNotFound",
      () => Effect.succeed(null),
    ),
  );
  if (known !== null) return known;
  const idempotencyKey = `ag-ui:${threadId}`;
  const made = yield* ask(actor, { type: "create_session", agentType, idempotencyKey });
  return (made as { readonly session: SessionMeta }).session;
});

/** Which turn is told, from where on, and what comes before it. */
interface Part {
  readonly turnId: string | null;
  readonly afterSeq: number;
  readonly answered: ReadonlySet<string>;
  readonly before: readonly AgUiEvent[];
}
const NONE: ReadonlySet<string> = new Set();

const partOf = (
  actor: Actor,
  session: SessionMeta,
  { runId }: RunInput,
  wish: Exclude<Wish, { readonly kind: "unreadable" }>,
) => {
  switch (wish.kind) {
    case "turn":
      return askedFor(actor, session, runId, wish.text);
    case "answers":
      return answered(actor, session, wish.answers);
    case "join":
      return joined(actor, session);
  }
};

/** The same run again finds the same turn, and is told from its beginning. */
const askedFor = Effect.fnUntraced(function* (
  actor: Actor,
  { sessionId }: SessionMeta,
  runId: string,
  text: string,
) {
  const idempotencyKey = `ag-ui:${runId}`;
  const answer = yield* ask(actor, { type: "run_turn", sessionId, text, idempotencyKey });
  const { turnId } = answer as { readonly turnId: string };
  const first = yield* (yield* Router).seek(actor, sessionId, isStartOf(turnId));
  return { turnId, afterSeq: (first?.seq ?? 1) - 1, answered: NONE, before: [] } satisfies Part;
});

const isStartOf = (turnId: string | undefined) => (event: SessionEvent) =>
  event.turnId === turnId && event.type === "user_message";

const OVER: ReadonlySet<string> = new Set(["ApprovalAlreadyDecided", "QuestionClosed"]);

const asks = (event: SessionEvent) =>
  event.type === "permission_requested" || event.type === "question_requested";

/** Answers the approvals and questions, then tells what follows the first of them. */
const answered = Effect.fnUntraced(function* (
  actor: Actor,
  { sessionId }: SessionMeta,
  answers: Extract<Wish, { readonly kind: "answers" }>["answers"],
) {
  for (const one of answers) {
    const requestId = one.interruptId;
    yield* ask(actor, { type: "answer_question", sessionId, requestId, ...answerOf(one) }).pipe(
      // Sent again, or somebody was faster: what was decided is told with the turn.
      Effect.catchIf(
        (error) => error instanceof Refusal && OVER.has(error.code),
        () => Effect.void,
      ),
    );
  }
  const router = yield* Router;
  const ids = new Set(answers.map(({ interruptId }) => interruptId));
  const places = yield* Effect.forEach(ids, (id) =>
    router.seek(actor, sessionId, (e) => asks(e) && e.requestId === id),
  );
  const found = places.filter((place) => place !== null).sort((a, b) => a.seq - b.seq)[0];
  if (found?.turnId === undefined) {
    return yield* refuse("ApprovalNotFound", "This session has no such approval or question.");
  }
  return {
    turnId: found.turnId,
    afterSeq: found.seq,
    answered: ids,
    before: [],
  } satisfies Part;
});

/** The conversation, and the turn that is open. */
const joined = Effect.fnUntraced(function* (actor: Actor, { sessionId, status }: SessionMeta) {
  const answer = yield* ask(actor, { type: "get_history", sessionId, limit: HISTORY_MAX });
  const { messages } = answer as { readonly messages: readonly HistoryMessage[] };
  const begun = yield* (yield* Router).seek(
    actor,
    sessionId,
    ({ type }) => type === "user_message",
  );
  const isOpen = status === "running" || status === "waiting" || status === "activating";
  const turnId = isOpen ? (begun?.turnId ?? null) : null;
  // What the open turn has said already comes with its events.
  const whole = messages.filter((one) => one.turnId !== turnId || one.role === "user");
  const before: AgUiEvent[] = [{ type: "MESSAGES_SNAPSHOT", messages: whole.map(messageOf) }];
  return { turnId, afterSeq: begun?.seq ?? 0, answered: NONE, before } satisfies Part;
});

const messageOf = ({ messageId: id, role, text: content }: HistoryMessage) => ({
  id,
  role,
  content,
});

function opening({ threadId, runId, state }: RunInput, session: SessionMeta): AgUiEvent[] {
  const { sessionId, name, agentType, status, waitingFor } = session;
  const concert = { sessionId, name, agentType, status, waitingFor };
  const own = typeof state === "object" && state !== null && !Array.isArray(state) ? state : {};
  return [
    { type: "RUN_STARTED", threadId, runId, protocolVersion: "1.0" },
    { type: "STATE_SNAPSHOT", snapshot: { ...own, concert } },
  ];
}

function nothingToTell(
  begin: readonly AgUiEvent[],
  ids: { readonly threadId: string; readonly runId: string },
): Response {
  const end: AgUiEvent = { type: "RUN_FINISHED", ...ids, outcome: { type: "success" } };
  const text = [...begin, end].map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}
