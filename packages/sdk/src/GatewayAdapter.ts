/**
 * Owns what a platform must offer so that an application runs on it unchanged: browser, desktop shell, test.
 * No failure escapes the type.
 */
import type { Effect, Stream } from "effect";
import type { ConnectionStatus } from "./Connection.ts";
import type { TurnReceipt } from "./DiminuendoClient.ts";
import type { GatewayError } from "./errors.ts";
import type {
  Decision,
  Events,
  Identity,
  SessionEvent,
  SessionMeta,
  StateSnapshot,
} from "./protocol.ts";

/** Everything that arrives unasked, in the order in which it arrived. */
export type GatewayEvent =
  | { readonly kind: "event"; readonly event: SessionEvent }
  | { readonly kind: "snapshot"; readonly snapshot: StateSnapshot }
  | { readonly kind: "caught_up"; readonly sessionId: string; readonly seq: number }
  | { readonly kind: "reset"; readonly sessionId: string }
  | { readonly kind: "session_updated"; readonly session: SessionMeta }
  | { readonly kind: "connection"; readonly status: ConnectionStatus };

type Call<A> = Effect.Effect<A, GatewayError>;

export interface GatewayAdapter {
  readonly connect: Call<Identity>;
  readonly disconnect: Effect.Effect<void>;
  /** Fails when the connection is closed for good; ends at `disconnect`. Each run listens on its own. */
  readonly events: Stream.Stream<GatewayEvent, GatewayError>;
  readonly listSessions: (options?: { includeArchived?: boolean }) => Call<readonly SessionMeta[]>;
  readonly createSession: (options: {
    agentType: string;
    name?: string;
    idempotencyKey?: string;
  }) => Call<SessionMeta>;
  readonly joinSession: (
    sessionId: string,
    options?: { afterSeq?: number; epoch?: string },
  ) => Call<StateSnapshot>;
  readonly leaveSession: (sessionId: string) => Call<void>;
  readonly runTurn: (
    sessionId: string,
    text: string,
    options?: { idempotencyKey?: string },
  ) => Call<TurnReceipt>;
  readonly stopTurn: (sessionId: string) => Call<TurnReceipt>;
  readonly answerQuestion: (
    sessionId: string,
    approvalId: string,
    answer: { decision: Decision; reason?: string },
  ) => Call<{ readonly decision: Decision }>;
  readonly getEvents: (
    sessionId: string,
    options?: { afterSeq?: number; limit?: number },
  ) => Call<Events>;
  readonly ping: Call<{ readonly ts: number }>;
}
