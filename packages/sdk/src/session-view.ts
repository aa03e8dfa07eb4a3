/**
 * Owns what a session looks like: a pure fold of its durable events. The same events give the same view,
 * however they were cut into replays. Refuses to own order and completeness (`JoinedSessions.ts`).
 *
 * V1 an event at or below `headSeq` changes nothing.  V2 of a message only its newest attempt is shown.
 * V3 a complete message never changes.  V4 an item keeps its identity until an event changes it, so that a
 * view can skip drawing it again.
 */
import type { SessionEvent, SessionMeta, SessionStatus } from "./protocol.ts";
import { foldThread } from "./thread.ts";
import type { ThreadItem } from "./thread-items.ts";

export type TurnStatus = "running" | "succeeded" | "cancelled" | "failed";

export interface TurnView {
  readonly turnId: string;
  readonly commandId: string | null;
  readonly status: TurnStatus;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** `seq` of the newest event that the command's timeline may tell more about. */
  readonly recordSeq: number;
}

/** Said while another turn is open; it runs afterwards. */
export interface QueuedTurn {
  readonly turnId: string;
  readonly text: string;
  readonly userId: string;
  readonly ts: number;
}

/** Said into the open turn; the agent has not read it yet. */
export interface PendingSteer {
  readonly steerId: string;
  readonly turnId: string | null;
  readonly text: string;
  readonly userId: string;
  readonly ts: number;
}

export interface SessionView {
  readonly sessionId: string;
  readonly headSeq: number;
  readonly status: SessionStatus;
  readonly waitingFor: SessionMeta["waitingFor"];
  readonly activeTurnId: string | null;
  /** What people see, oldest first. */
  readonly items: readonly ThreadItem[];
  /** Oldest first. */
  readonly turns: readonly TurnView[];
  /** Turns that wait, in the order in which they were said. */
  readonly queue: readonly QueuedTurn[];
  /** Oldest first. */
  readonly steers: readonly PendingSteer[];
}

export function emptySessionView(sessionId: string): SessionView {
  return {
    sessionId,
    headSeq: 0,
    status: "inactive",
    waitingFor: null,
    activeTurnId: null,
    items: [],
    turns: [],
    queue: [],
    steers: [],
  };
}

/** The view after `event`. Events of other sessions and events already folded return `view` itself. */
export function foldSession(view: SessionView, event: SessionEvent): SessionView {
  if (event.sessionId !== view.sessionId || event.seq <= view.headSeq) return view;
  return {
    ...view,
    ...foldStatus(view, event),
    headSeq: event.seq,
    items: foldThread(withSteer(view, event), event),
    turns: foldTurns(view.turns, event),
    queue: foldQueue(view.queue, event),
    steers: foldSteers(view.steers, event),
  };
}

function foldStatus(view: SessionView, event: SessionEvent): Partial<SessionView> {
  switch (event.type) {
    case "session_state":
      return { status: event.status, waitingFor: event.waitingFor ?? null };
    // A turn exists from its question on, while the agent may still be waking up.
    case "user_message":
    case "turn_started":
      return event.turnId === undefined ? {} : { activeTurnId: event.turnId };
    case "turn_complete":
    case "turn_error":
      return view.activeTurnId === event.turnId ? { activeTurnId: null } : {};
    default:
      return {};
  }
}

/** What the agent has read is part of the conversation from then on. */
function withSteer(view: SessionView, event: SessionEvent): SessionView["items"] {
  if (event.type !== "steer_applied") return view.items;
  const steer = view.steers.find((one) => one.steerId === event.steerId);
  if (steer === undefined) return view.items;
  const { steerId: id, ...said } = steer;
  return [...view.items, { kind: "user", id, ...said, idempotencyKey: null }];
}

function foldSteers(steers: readonly PendingSteer[], event: SessionEvent) {
  switch (event.type) {
    case "steer_requested": {
      const { steerId, text, userId, ts, turnId = null } = event;
      return [...steers, { steerId, turnId, text, userId, ts }];
    }
    case "steer_applied":
    case "steer_deferred":
    case "steer_dropped":
      return steers.filter((one) => one.steerId !== event.steerId);
    default:
      return steers;
  }
}

function foldQueue(queue: readonly QueuedTurn[], event: SessionEvent): readonly QueuedTurn[] {
  const { turnId, ts } = event;
  if (turnId === undefined) return queue;
  if (event.type === "turn_queued") {
    return [...queue, { turnId, text: event.text, userId: event.userId, ts }];
  }
  const leaves = event.type === "user_message" || event.type === "turn_dequeued";
  return leaves && queue.some((one) => one.turnId === turnId)
    ? queue.filter((one) => one.turnId !== turnId)
    : queue;
}

/** Streams of text: no command moved, so the record has nothing new. */
const UNRECORDED: ReadonlySet<SessionEvent["type"]> = new Set([
  "text_delta",
  "message_started",
  "message_restarted",
  "thinking.start",
  "thinking.progress",
  "thinking.complete",
  "usage_update",
]);

/** A turn that waits is not one yet. */
const NOT_BEGUN: ReadonlySet<SessionEvent["type"]> = new Set(["turn_queued", "turn_dequeued"]);

function foldTurns(turns: readonly TurnView[], event: SessionEvent): readonly TurnView[] {
  const { turnId } = event;
  if (turnId === undefined || NOT_BEGUN.has(event.type)) return turns;
  const index = turns.findLastIndex((turn) => turn.turnId === turnId);
  const turn = turns[index] ?? newTurn(turnId, event.ts);
  const next = foldTurn(turn, event);
  const recorded = UNRECORDED.has(event.type) ? next : { ...next, recordSeq: event.seq };
  if (index < 0) return [...turns, recorded];
  return recorded === turn ? turns : turns.with(index, recorded);
}

function foldTurn(turn: TurnView, event: SessionEvent): TurnView {
  switch (event.type) {
    case "turn_started":
      return { ...turn, commandId: event.commandId, status: "running", startedAt: event.ts };
    case "usage_update":
      return { ...turn, inputTokens: event.inputTokens, outputTokens: event.outputTokens };
    case "turn_complete":
      return { ...turn, commandId: event.commandId, status: event.status, endedAt: event.ts };
    case "turn_error":
      return { ...turn, status: "failed", endedAt: event.ts };
    default:
      return turn;
  }
}

function newTurn(turnId: string, startedAt: number): TurnView {
  return {
    turnId,
    commandId: null,
    status: "running",
    startedAt,
    endedAt: null,
    inputTokens: 0,
    outputTokens: 0,
    recordSeq: 0,
  };
}
