/**
 * Owns what a platform must offer so that an application runs on it unchanged: browser, desktop shell, test.
 * No failure escapes the type.
 */
import type { Effect, Stream } from "effect";
import type { AutomationCalls } from "./AutomationCalls.ts";
import type { ConnectionStatus } from "./Connection.ts";
import type { DiminuendoClient } from "./DiminuendoClient.ts";
import type { GatewayError } from "./errors.ts";
import type {
  Automation,
  AutomationRun,
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
  | { readonly kind: "session_deleted"; readonly sessionId: string }
  | { readonly kind: "auth_expiring"; readonly expiresAt: number }
  | { readonly kind: "session_updated"; readonly session: SessionMeta }
  | { readonly kind: "automation_updated"; readonly automation: Automation }
  | { readonly kind: "automation_deleted"; readonly automationId: string }
  | { readonly kind: "automation_run_updated"; readonly run: AutomationRun }
  | { readonly kind: "inbox_changed"; readonly userId: string; readonly itemId: string }
  | { readonly kind: "connection"; readonly status: ConnectionStatus };

type Call<A> = Effect.Effect<A, GatewayError>;

export interface GatewayAdapter extends Questions {
  readonly connect: Call<Identity>;
  readonly disconnect: Effect.Effect<void>;
  /** Fails when the connection is closed for good; ends at `disconnect`. Each run listens on its own. */
  readonly ping: Call<{ readonly ts: number }>;
  readonly events: Stream.Stream<GatewayEvent, GatewayError>;
  readonly automations: AutomationQuestions;
}

/** Every call of the client that is one question and one answer, under the same name, as an Effect. */
type Question =
  | "listSessions"
  | "createSession"
  | "renameSession"
  | "archiveSession"
  | "unarchiveSession"
  | "deleteSession"
  | "joinSession"
  | "leaveSession"
  | "runTurn"
  | "stopTurn"
  | "steer"
  | "answerQuestion"
  | "getHistory"
  | "getEvents"
  | "listFiles"
  | "readFile"
  | "fileHistory"
  | "fileAtIteration"
  | "manageMembers";

type Asked<F> = F extends (...args: infer A) => Promise<infer R> ? (...args: A) => Call<R> : never;

/** `client.automations`, each call as an Effect. */
export type AutomationQuestions = {
  readonly [Name in keyof AutomationCalls]: Asked<AutomationCalls[Name]>;
};

export type Questions = { readonly [Name in Question]: Asked<DiminuendoClient[Name]> };
