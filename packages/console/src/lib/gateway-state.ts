/** Owns what the console knows about the gateway, as one value, and how arrivals change it. Pure. */
import {
  type ConnectionStatus,
  emptySessionView,
  foldSession,
  type SessionEvent,
  type SessionMeta,
  type SessionView,
  type StateSnapshot,
} from "@concert/sdk";

export interface OutboxMessage {
  readonly idempotencyKey: string;
  readonly text: string;
  /** Null while it is on its way. */
  readonly failure: string | null;
}

export type Joining =
  | { readonly status: "joining" }
  | { readonly status: "ready" }
  | { readonly status: "failed"; readonly reason: string };

export interface GatewayState {
  readonly connection: ConnectionStatus;
  readonly sessions: Readonly<Record<string, SessionMeta>>;
  readonly sessionList: Joining;
  readonly views: Readonly<Record<string, SessionView>>;
  readonly epochs: Readonly<Record<string, string>>;
  readonly joins: Readonly<Record<string, Joining>>;
  /** Messages that are not yet in a session's log, by session. */
  readonly outbox: Readonly<Record<string, readonly OutboxMessage[]>>;
  /** How often a file of a session's agent has changed, by session. */
  readonly fileChanges: Readonly<Record<string, number>>;
  /** How often something changed that is read by asking. */
  readonly moves: { readonly automations: number; readonly inbox: number };
}

export type Arrival =
  | { readonly kind: "event"; readonly event: SessionEvent }
  | { readonly kind: "snapshot"; readonly snapshot: StateSnapshot }
  | { readonly kind: "reset"; readonly sessionId: string }
  | { readonly kind: "session"; readonly session: SessionMeta }
  | { readonly kind: "deleted"; readonly sessionId: string };

export const EMPTY_GATEWAY_STATE: GatewayState = {
  connection: { state: "idle" },
  sessions: {},
  sessionList: { status: "joining" },
  views: {},
  epochs: {},
  joins: {},
  outbox: {},
  fileChanges: {},
  moves: { automations: 0, inbox: 0 },
};

/** The state after everything that arrived since the last frame. */
export function applyArrivals(state: GatewayState, arrivals: readonly Arrival[]): GatewayState {
  const views = new Map(Object.entries(state.views));
  const epochs = new Map(Object.entries(state.epochs));
  const sessions = new Map(Object.entries(state.sessions));
  const fileChanges = new Map(Object.entries(state.fileChanges));
  for (const arrival of arrivals) {
    if (arrival.kind === "event") {
      const { event } = arrival;
      const { sessionId } = event;
      if (event.type === "file.changed")
        fileChanges.set(sessionId, (fileChanges.get(sessionId) ?? 0) + 1);
      const view = views.get(event.sessionId) ?? emptySessionView(event.sessionId);
      views.set(event.sessionId, foldSession(view, event));
    } else if (arrival.kind === "reset") {
      views.set(arrival.sessionId, emptySessionView(arrival.sessionId));
    } else if (arrival.kind === "snapshot") {
      const { session, sessionId, epoch } = arrival.snapshot;
      sessions.set(sessionId, session);
      epochs.set(sessionId, epoch);
    } else if (arrival.kind === "deleted") {
      for (const known of [views, epochs, sessions, fileChanges]) known.delete(arrival.sessionId);
    } else sessions.set(arrival.session.sessionId, arrival.session);
  }
  const next = {
    ...state,
    views: Object.fromEntries(views),
    epochs: Object.fromEntries(epochs),
    sessions: Object.fromEntries(sessions),
    fileChanges: Object.fromEntries(fileChanges),
  };
  return { ...next, outbox: withoutArrived(next.outbox, next.views) };
}

/** A message of ours is in the log under its key: the durable one replaces the one shown ahead of it. */
function withoutArrived(
  outbox: GatewayState["outbox"],
  views: GatewayState["views"],
): GatewayState["outbox"] {
  let changed = false;
  const entries = Object.entries(outbox).map(([sessionId, messages]) => {
    const arrived = new Set(
      views[sessionId]?.items.map((item) => (item.kind === "user" ? item.idempotencyKey : null)),
    );
    const left = messages.filter((message) => !arrived.has(message.idempotencyKey));
    if (left.length !== messages.length) changed = true;
    return [sessionId, left] as const;
  });
  return changed ? Object.fromEntries(entries) : outbox;
}
