/**
 * Owns which parts of the client protocol the SDK is built on. Types only, so that a browser bundle carries
 * no schema library; the two tables of numbers are checked against the protocol's own at compile time.
 */
import type { CLOSE_CODES, FRAME_BYTES_MAX } from "@concert/diminuendo/protocol";

export type {
  ClientMessage,
  ConfigFrame,
  ConfigRequest,
  ConfigScope,
  ConfigUpdate,
  Decision,
  ErrorCode,
  Events,
  FileContent,
  FileEntry,
  FileIteration,
  Identity,
  MemberAction,
  ServerMessage,
  ServerMessageOf,
  SessionEvent,
  SessionEventOf,
  SessionMeta,
  SessionStatus,
  StateSnapshot,
  WhenBusy,
} from "@concert/diminuendo/protocol";

/** Why the server closed a socket (docs/protocol.md, "Close codes"). */
export const CLOSE: typeof CLOSE_CODES = {
  tooLarge: 1009,
  authentication: 4001,
  forbidden: 4003,
  slowReader: 4008,
  rateLimited: 4029,
  goingAway: 4100,
};

/** Largest frame the gateway accepts; a larger one is refused here, before it costs the connection. */
export const OUTBOUND_BYTES_MAX: typeof FRAME_BYTES_MAX = 1_048_576;
