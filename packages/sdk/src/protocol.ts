/**
 * Owns which parts of the client protocol the SDK is built on. Types only, so that a browser bundle carries
 * no schema library; the two tables of numbers are checked against the protocol's own at compile time.
 */
import type {
  AutomationDefinition,
  CLOSE_CODES,
  FRAME_BYTES_MAX,
} from "@concert/diminuendo/protocol";

export type {
  Answered,
  Automation,
  AutomationDefinition,
  AutomationDelivery,
  AutomationLogEntry,
  AutomationRun,
  Blueprint,
  ClientMessage,
  ClientMessageOf,
  ConfigFrame,
  ConfigRequest,
  ConfigScope,
  ConfigUpdate,
  Decision,
  DeletedSession,
  DeliveryStatus,
  ErrorCode,
  Events,
  FileContent,
  FileEntry,
  FileIteration,
  Identity,
  InboxItem,
  InboxView,
  Invitation,
  Member,
  MemberAction,
  Permission,
  Problem,
  Role,
  RunStatus,
  ServerMessage,
  ServerMessageOf,
  SessionEvent,
  SessionEventOf,
  SessionMeta,
  SessionStatus,
  StateSnapshot,
  WhenBusy,
} from "@concert/diminuendo/protocol";

type Needed = Pick<AutomationDefinition, "name" | "prompt" | "execution">;
type Optional = Omit<AutomationDefinition, keyof Needed | "schedule" | "delivery">;
type Delivery = AutomationDefinition["delivery"];
type Target<T> = Omit<T, "when"> & { readonly when?: "always" | "problems" };
type Cron = Extract<AutomationDefinition["schedule"], { kind: "cron" }>;
type Loose<T> = T extends readonly unknown[] | string | number | null
  ? T
  : { readonly [K in keyof T]?: T[K] };

/** A definition as one writes it: what may be left out is filled up by the gateway. */
export interface AutomationInput
  extends Needed,
    Readonly<Partial<{ [K in keyof Optional]: Loose<Optional[K]> }>> {
  readonly delivery?: Partial<Omit<Delivery, "webhook" | "task">> & {
    readonly webhook?: Target<NonNullable<Delivery["webhook"]>>;
    readonly task?: Target<NonNullable<Delivery["task"]>>;
  };
  readonly schedule:
    | (Omit<Cron, "timeZone"> & { readonly timeZone?: string })
    | Exclude<AutomationDefinition["schedule"], Cron>;
}

/** A blueprint as one writes it: `template` has fields of a definition, each whole. */
export interface BlueprintInput {
  readonly name: string;
  readonly description?: string;
  readonly template: Partial<AutomationInput>;
}

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
