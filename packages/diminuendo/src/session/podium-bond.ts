/**
 * Owns one session's bond to its Podium instance while it lasts: connect after the stored cursor, tell of the
 * open turn, store what comes, connect again when the link breaks, end when no turn is open.
 */
import { continueTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import type { Metrics } from "../observability/Metrics.ts";
import { traced } from "../observability/trace.ts";
import { persist } from "../resilience/retry-policy.ts";
import { sanitizeMessage } from "../security/error-message.ts";
import type { PodiumClient, PodiumLink } from "../upstream/PodiumClient.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import type { LiveSession } from "./LiveSession.ts";
import { eventsIn, ingest, understood } from "./podium-intake.ts";
import { sendOpenTurn } from "./podium-outbox.ts";
import type { Sessions } from "./Sessions.ts";
import { endsInMidSentence, type StreamIntake } from "./StreamIntake.ts";
import { moveTo, type OpenTurn, type SessionModel, type Step } from "./session-model.ts";
import { attached, failTurn, idled, podiumLogReset } from "./session-steps.ts";

export interface BondNeeds {
  readonly sessions: Sessions["Service"];
  readonly podium: PodiumClient["Service"];
  readonly metrics: Metrics["Service"];
  readonly intake: StreamIntake["Service"];
}

/** Keeps the bond until no turn needs it. Never fails; interruption closes the link. */
export const keepBond = (needs: BondNeeds, session: LiveSession): Effect.Effect<void> => {
  const bond = persist(
    (working) => Effect.catchDefect(attempt(needs, session, working), asBroken),
    (error) =>
      Effect.andThen(
        needs.metrics.count("diminuendo_podium_reconnects_total"),
        Effect.logWarning(`podium link of ${session.sessionId} broke: ${error.reason}`),
      ),
  );
  const turn = session.model.openTurn;
  const caller = turn === null ? null : continueTrace(turn.traceId);
  return traced({ name: "podium.bond", caller }, () => bond);
};

/** Ends the bond of a session that has been ready for longer than `idleMs`. */
export const releaseIdle = Effect.fnUntraced(function* (
  { sessions }: BondNeeds,
  session: LiveSession,
  nowMs: number,
  idleMs: number,
) {
  const { attachment } = session;
  const idle = (model: SessionModel) =>
    needless(model) && model.status === "ready" && nowMs - session.updatedAt > idleMs;
  // Asked of every session there is: nearly none is idle, and who is may cease to be until it is decided.
  if (!idle(session.model)) return;
  const released = yield* letGo(sessions, session, idle, idled);
  if (released && attachment !== null) yield* Fiber.interrupt(attachment);
});

const needless = ({ openTurn }: SessionModel): boolean => openTurn === null;

const attempt = Effect.fnUntraced(function* (
  needs: BondNeeds,
  session: LiveSession,
  working: () => void,
) {
  const { sessions } = needs;
  while (!(yield* letGo(sessions, session, needless, moveTo("inactive")))) {
    yield* Effect.scoped(follow(needs, session, working)).pipe(
      Effect.catchTag("Refused", ({ code, message }) =>
        sessions.take(session, failTurn(code, sanitizeMessage(message))),
      ),
    );
  }
});

const follow = Effect.fnUntraced(function* (
  { sessions, podium, intake }: BondNeeds,
  session: LiveSession,
  working: () => void,
) {
  const turn = session.model.openTurn;
  if (turn !== null) yield* ensureInstance(sessions, podium, session, turn);
  const link = yield* podium.connect(session.instanceId, session.model.podiumEventId);
  working();
  yield* sessions.take(session, attached);
  yield* holdLink(session, link);
  yield* sendOpenTurn(podium, session, link);
  const inlet = yield* Effect.acquireRelease(
    Effect.sync(() => intake.follow(session, link)),
    ({ end }) => Effect.sync(end),
  );
  for (;;) {
    const frames = yield* understood(yield* link.inbox.take);
    if (yield* ingest(sessions, session, frames)) yield* sendOpenTurn(podium, session, link);
    if (endsInMidSentence(eventsIn(frames))) inlet.gather();
  }
});

/** Podium is told of the same instance each time; one that it makes anew has an empty log. */
const ensureInstance = Effect.fnUntraced(function* (
  sessions: Sessions["Service"],
  podium: PodiumClient["Service"],
  session: LiveSession,
  turn: OpenTurn,
) {
  const { instanceId, agentType } = session;
  const { isNew } = yield* podium.ensureInstance(instanceId, agentType, turn.actor);
  if (isNew && session.model.podiumEventId > 0) yield* sessions.take(session, podiumLogReset);
});

const holdLink = (session: LiveSession, link: PodiumLink) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      session.link = link;
      session.unansweredSteers = 0;
    }),
    () =>
      Effect.sync(() => {
        if (session.link === link) session.link = null;
      }),
  );

/**
 * Lets go of the bond if `when` holds; decided under the lock, so that a new turn finds the bond either kept
 * or gone. If the commit fails nothing has happened.
 */
const letGo = Effect.fnUntraced(function* (
  sessions: Sessions["Service"],
  session: LiveSession,
  when: (model: SessionModel) => boolean,
  step: Step,
) {
  let held = { attachment: session.attachment, link: session.link };
  const restore = Effect.sync(() => void Object.assign(session, held));
  return yield* sessions
    .change(session, (model) => {
      held = { attachment: session.attachment, link: session.link };
      if (!when(model)) return Effect.succeed({ answer: false });
      session.attachment = null;
      session.link = null;
      return Effect.succeed({ answer: true, step });
    })
    .pipe(Effect.tapError(() => restore));
});

/** A bug of ours must not leave a session stuck for ever: it is logged, and the bond is made again. */
const asBroken = (defect: unknown) =>
  Effect.andThen(
    Effect.logError("a podium link failed unexpectedly", defect),
    Effect.fail(new Unreachable({ service: "podium", reason: "unexpected failure" })),
  );
