/**
 * Owns what one gateway asks of another, and what it hears: messages of clients whose tenant the other has, questions to its
 * store, and where logs end. Both sides are this program; a gateway of another version answers what it understands.
 */
import * as Schema from "effect/Schema";
import type { ReaderQuery, WriterCommand } from "../db/storage.ts";
import {
  ClientMessage,
  ERROR_CODES,
  type ServerMessage,
  type SessionMeta,
} from "../protocol/index.ts";

/** Who a token between gateways is for. */
export const PEER_AUDIENCE = "diminuendo";
export const PEER_PATH = "/internal/v1/gateway";
export const PEER_BYTES_MAX = 4 * 1_048_576;

/** A command or query of the store, as storage.ts has it; checked there is only whose tenant it is about. */
const Stored = Schema.Struct({ kind: Schema.String, tenantId: Schema.String });
const isStored = Schema.is(Stored);

export const PeerRequest = Schema.Union([
  Schema.Struct({
    kind: Schema.tag("ask"),
    message: ClientMessage,
    /** The connection that asks, which is told nothing else about what it causes. */
    origin: Schema.NullOr(Schema.String),
  }),
  Schema.Struct({ kind: Schema.tag("read"), query: Schema.Unknown }),
  Schema.Struct({ kind: Schema.tag("write"), command: Schema.Unknown }),
  Schema.Struct({ kind: Schema.tag("view"), sessionId: Schema.String }),
  Schema.Struct({ kind: Schema.tag("heads"), sessionIds: Schema.Array(Schema.String) }),
]);
export type PeerRequest = typeof PeerRequest.Type;
export const readPeerRequest = Schema.decodeUnknownOption(Schema.fromJsonString(PeerRequest));

/** The command or query if it is about `tenantId` alone, else null. */
export const storedOf = (value: unknown, tenantId: string): Stored | null =>
  isStored(value) && value.tenantId === tenantId ? (value as unknown as Stored) : null;
type Stored = TenantCommand & TenantQuery;
export type TenantCommand = Extract<WriterCommand, { readonly tenantId: string }>;
export type TenantQuery = Extract<ReaderQuery, { readonly tenantId: string }>;

export interface PeerView {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly meta: SessionMeta;
  readonly activeTurnId: string | null;
}
export interface Heads {
  /** Who answers. */
  readonly gatewayId: string;
  /** Where each log ends; a session that is no more is missing. */
  readonly heads: Readonly<Record<string, number>>;
  /** How much the owner has told the tenant since it is the owner. */
  readonly place: number;
}

const Refused = Schema.Struct({
  kind: Schema.tag("refused"),
  code: Schema.Literals(ERROR_CODES),
  message: Schema.String,
  retryAfterMs: Schema.optionalKey(Schema.Int),
});
export const PeerAnswer = Schema.Union([
  Schema.Struct({ kind: Schema.tag("answered"), value: Schema.Unknown }),
  Refused,
  /** Nothing was done: ask whoever has the tenant. */
  Schema.Struct({ kind: Schema.tag("not_owner") }),
]);
export type PeerAnswer = typeof PeerAnswer.Type;
export const readPeerAnswer = Schema.decodeUnknownOption(PeerAnswer);

/** What each request answers. */
export interface PeerAnswers {
  readonly ask: ServerMessage;
  readonly view: PeerView;
  readonly heads: Heads;
}
