/** Owns the port between the socket and the sessions: what transport needs somebody to do with a message. */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import type * as Effect from "effect/Effect";
import type * as Stream from "effect/Stream";
import type { StorageError } from "../db/WorkerManager.ts";
import type {
  ClientMessage,
  ConfigAnswer,
  ConfigRequest,
  Identity,
  LogCursor,
  ServerMessage,
  SessionEvent,
  SessionMeta,
} from "../protocol/index.ts";
import type { Refusal } from "../security/Refusal.ts";
import type { SessionGone } from "../session/session-log.ts";
import type { UpstreamError } from "../upstream/upstream-http.ts";
import type { Connection } from "./Connection.ts";
import type { Cause, Reader } from "./Reader.ts";

export type RouteError = Refusal | StorageError | SessionGone | UpstreamError;

export class Router extends Context.Service<
  Router,
  {
    /** Who the token stands for; the connection then is that person. */
    readonly authenticate: (
      connection: Connection,
      token: string,
    ) => Effect.Effect<SignedIn, Refusal | StorageError>;
    /** The direct answer, or null when the handler has sent it itself. */
    readonly route: (
      connection: Connection,
      actor: Actor,
      message: ClientMessage,
    ) => Effect.Effect<ServerMessage | null, RouteError>;
    /** `route` for who has no socket: one question, one answer. */
    readonly ask: (
      cause: Cause,
      actor: Actor,
      message: AskedAnywhere,
    ) => Effect.Effect<ServerMessage, RouteError>;
    /** The session if it is the person's tenant's. */
    readonly session: (actor: Actor, sessionId: string) => Effect.Effect<SessionMeta, RouteError>;
    /** Sends a session's log after a place to a reader, then what happens, until it leaves. */
    readonly follow: (
      reader: Reader,
      actor: Actor,
      place: Place,
    ) => Effect.Effect<void, RouteError>;
    /** The newest event of a log of which this is so, read backwards; null if there is none. */
    readonly seek: (
      actor: Actor,
      sessionId: string,
      isWanted: (event: SessionEvent) => boolean,
    ) => Effect.Effect<SessionEvent | null, RouteError>;
    /** The events of a log as they are stored, oldest first. */
    readonly log: (
      actor: Actor,
      sessionId: string,
    ) => Effect.Effect<Stream.Stream<string, RouteError>, RouteError>;
    /** The `result` of a `config/*` request. */
    readonly config: (
      connection: Connection,
      actor: Actor,
      request: ConfigRequest,
    ) => Effect.Effect<ConfigResult, ConfigRefusal | RouteError>;
    readonly closed: (connection: Connection) => Effect.Effect<void>;
  }
>()("diminuendo/transport/Router") {}

/** Messages whose answer needs no socket. */
export type AskedAnywhere = Exclude<
  ClientMessage,
  { readonly type: "authenticate" | "join_session" | "leave_session" | "get_events" }
>;
export interface Place {
  readonly sessionId: string;
  readonly afterSeq?: number;
  readonly cursor?: LogCursor;
  /** Told once, before the first event. */
  readonly onEpoch: (epoch: string) => void;
}
export interface SignedIn {
  readonly identity: Identity;
  readonly expiresAt?: number;
}
export type ConfigResult = ConfigAnswer["result"];
/** A JSON-RPC error for one `config/*` request. */
export interface ConfigRefusal {
  readonly _tag: "ConfigRefusal";
  readonly code: number;
  readonly message: string;
}
