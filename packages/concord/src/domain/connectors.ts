/**
 * Owns the contract of a connector: a named vendor with operations that Concord calls inside a step, after
 * policy allowed it. Connectors evaluate no policy and hold no secret, only a reference to one (CON-1…CON-11).
 */
import type { JsonObject } from "../core/json.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { ErrorClass, RiskLevel } from "../core/vocabulary.ts";
import type { RuntimeCapability } from "../runtime/protocol/index.ts";

/** `env:NAME`: resolved inside the step, never stored, never logged. */
export type SecretRef = `env:${string}`;

export type ConnectorResult =
  | { readonly ok: true; readonly output: JsonObject }
  | { readonly ok: false; readonly errorClass: ErrorClass; readonly message: string };

export interface CallContext {
  /** The resolved secret; undefined when the connector needs none. */
  readonly secret: string | undefined;
  /** The effect's key, to be sent to a vendor that honours one; null for reads. */
  readonly idempotencyKey: string | null;
  readonly traceparent: string;
  /** Fires when the operation's time is up. */
  readonly signal: AbortSignal;
}

export interface OperationDefinition {
  readonly description: string;
  readonly sideEffect: boolean;
  /** Required for side effects, e.g. `book_hotel:{booking_draft_id}`, filled from the command's payload. */
  readonly keyTemplate?: string;
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
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

/** CON-12: what the vendor takes from us, per process. A burst may use the whole allowance at once. */
export interface RequestLimit {
  readonly requestsMax: number;
  readonly perSeconds: number;
}

export interface ConnectorDefinition {
  readonly name: string;
  readonly connectorType: string;
  readonly riskLevel: RiskLevel;
  readonly auth:
    | { readonly mode: "none" }
    | { readonly mode: "bearer"; readonly secretRef: SecretRef };
  readonly rateLimit?: RequestLimit;
  readonly operations: Readonly<Record<string, OperationDefinition>>;
}

/** Resolves a reference at the moment of use. */
export interface SecretResolver {
  resolve(reference: SecretRef): string | undefined;
}
