/**
 * Owns the contract of a connector: a named vendor with operations that Concord calls inside a step, after
 * policy allowed it. Connectors evaluate no policy and hold no secret, only a reference to one (CON-1…CON-11).
 */
import type { JsonObject } from "../core/json.ts";
import type { RetryDeclaration, RetryPolicy } from "../core/retry.ts";
import type { ErrorClass, RiskLevel } from "../core/vocabulary.ts";
import type { RuntimeCapability } from "../runtime/protocol/index.ts";

/**
 * Where a secret is, never what it is; resolved inside the step: `env:NAME`, `file:/path`, or
 * `concordance:namespace/key`.
 */
export type SecretRef = `env:${string}` | `file:${string}` | `concordance:${string}`;
export const SECRET_SCHEMES = ["env", "file", "concordance"] as const;

export type ConnectorResult =
  | { readonly ok: true; readonly output: JsonObject }
  | {
      readonly ok: false;
      readonly errorClass: ErrorClass;
      readonly message: string;
      /** When the vendor said so: ask again no sooner. */
      readonly retryAfterMs?: number;
    };

/** A message in the application's own inbox. */
export interface InboxMessage {
  /** A user of the command's tenant, or a group. */
  readonly recipient: { readonly kind: "user" | "group"; readonly name: string };
  readonly title: string;
  readonly body: string;
}

/** Delivers to people of the command's own tenant, once for each key. */
export interface Inbox {
  deliver(key: string, message: InboxMessage): Promise<{ readonly notificationId: string }>;
  find(key: string): Promise<{ readonly notificationId: string } | undefined>;
}

/** Only Concord can make one: a connector is called from inside a governed step or not at all (CON-5). */
const ISSUED: unique symbol = Symbol("a call that Concord makes");

export interface CallContext {
  readonly [ISSUED]: true;
  /** The resolved secret; undefined when the connector needs none. */
  readonly secret: string | undefined;
  /** The effect's key, to be sent to a vendor that honours one; null for reads. */
  readonly idempotencyKey: string | null;
  readonly traceparent: string;
  readonly inbox: Inbox;
  /** Fires when the operation's time is up. */
  readonly signal: AbortSignal;
}

export function issueContext(fields: Omit<CallContext, typeof ISSUED>): CallContext {
  return { ...fields, [ISSUED]: true };
}

/** Throws when `context` was not made for a governed step; adapters call it before they touch the outside. */
export function assertIssued(context: CallContext): void {
  if ((context as Partial<CallContext> | undefined)?.[ISSUED] === true) return;
  throw new Error("a connector is called by Concord from inside a step; submit a command instead");
}

export interface OperationDefinition {
  readonly description: string;
  readonly sideEffect: boolean;
  /**
   * Required for side effects, e.g. `book_hotel:{booking_draft_id}`, filled from the command's payload. Where nothing
   * in it names the thing, `{this_command}` makes each command an effect of its own.
   */
  readonly keyTemplate?: string;
  /** JSON Schema; a place marked `writeOnly` is never stored. */
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
  /** The one of the connector's `auth.scopes` it needs. */
  readonly scope?: string;
  readonly timeoutMs: number;
  /** Default: three attempts in all, after 30 s and two minutes, when the failure may pass. */
  readonly retry?: RetryDeclaration;
  /** For how long the vendor remembers a key; every attempt has to fall within it (RTY-8). Default: for ever. */
  readonly keyHonouredForSeconds?: number;
  /** What one call costs, in units of the operator's choice (OPS-6). Default 0. */
  readonly costUnits?: number;
  /** What the durable runtime must offer for it (RUN-4). */
  readonly requires?: readonly RuntimeCapability[];
  /** Side effects say how they are undone, or why they need not be (CMP-3, CMP-19). */
  readonly compensation?: "required" | { readonly notNeeded: string };
  /** Performs the call. Failures are values; what is thrown counts as `unknown_error`. */
  readonly call: (input: JsonObject, context: CallContext) => Promise<ConnectorResult>;
  /** Finds what an earlier call with `key` and `input` did (EFF-7); undefined when it did nothing. */
  readonly lookup?: (
    key: string,
    context: CallContext,
    input: JsonObject,
  ) => Promise<ConnectorResult | undefined>;
}

/** An operation as the services see it: what it declares about being tried again, compiled. */
export interface Operation extends OperationDefinition {
  readonly retry: RetryPolicy;
}

/** CON-12: what the vendor takes from us, all executors together. A burst may use the whole allowance at once. */
export interface RequestLimit {
  readonly requestsMax: number;
  readonly perSeconds: number;
}

/** How a connector proves who it is. `bearer` is what `httpJson` sends; `secret` is used as the adapter knows. */
export type ConnectorAuth =
  | { readonly mode: "none" }
  | {
      readonly mode: "bearer" | "secret";
      readonly secretRef: SecretRef;
      /** What the credential was granted at the vendor. */
      readonly scopes?: readonly string[];
    };

export interface ConnectorDefinition {
  readonly name: string;
  readonly connectorType: string;
  readonly riskLevel: RiskLevel;
  readonly auth: ConnectorAuth;
  readonly rateLimit?: RequestLimit;
  readonly operations: Readonly<Record<string, OperationDefinition>>;
}

/** A connector of a checked catalog. */
export interface Connector extends ConnectorDefinition {
  readonly operations: Readonly<Record<string, Operation>>;
}

/** Keeps calls under what connectors declare (CON-12). */
export interface RateGate {
  /** Takes one request: 0 when it may be made now, else milliseconds after which to ask again. */
  take(connector: ConnectorDefinition): Promise<number>;
}

/** Resolves a reference at the moment of use; undefined when there is nothing. */
export interface SecretResolver {
  resolve(reference: SecretRef): Promise<string | undefined>;
}
