/**
 * Owns the refusals of Concord as values that can be thrown through the rooms: a stable code for callers and
 * an error class (spec §32), the only input to retry. Refuses to own: HTTP statuses, which the API room maps.
 */
import type { ErrorClass } from "./vocabulary.ts";

export const REFUSAL_CODES = [
  "unknown_task",
  "validation_error",
  "not_found",
  "idempotency_conflict",
  "approval_already_decided",
  "approval_stale",
  "not_approver",
  "self_approval_refused",
  "illegal_transition",
  "forbidden",
  "policy_denied",
  "invalid_cursor",
  "cancellation_closed",
  "incident_closed",
  "dependency_cycle",
  "endpoint_disabled",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** An expected refusal: the caller did something that is not allowed or not possible. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly details: unknown;

  constructor(code: RefusalCode, message: string, details?: unknown) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.details = details;
  }
}

/** Thrown by contract code (facts, inputs, results) to end the command with a class and a sentence. */
export class ContractFailure extends Error {
  readonly errorClass: ErrorClass;

  constructor(errorClass: ErrorClass, message: string) {
    super(message);
    this.name = "ContractFailure";
    this.errorClass = errorClass;
  }
}

/** A failure as it is stored on a command, an effect or an invocation. */
export interface Failure {
  readonly errorClass: ErrorClass;
  readonly message: string;
}

const RETRYABLE: readonly ErrorClass[] = [
  "transient_connector_error",
  "rate_limited",
  "timeout",
  "temporary_database_error",
];

/** V-22: exactly these are tried again; everything else is final (V-23). */
export function isRetryable(errorClass: ErrorClass): boolean {
  return RETRYABLE.includes(errorClass);
}

/** Classes after which nobody knows whether the vendor acted: the answer was lost, not given. */
export function isOutcomeUnknown(errorClass: ErrorClass): boolean {
  return errorClass === "timeout" || errorClass === "transient_connector_error";
}

/** ERR-3: the class of an HTTP answer that is not a success. */
export function classifyHttpStatus(status: number): ErrorClass {
  if (status === 429) return "rate_limited";
  if (status === 408 || status >= 500) return "transient_connector_error";
  if (status === 400 || status === 422) return "validation_error";
  return "permanent_connector_error";
}

/** The stored form of anything thrown by contract code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ContractFailure) {
    return { errorClass: error.errorClass, message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { errorClass: "unknown_error", message };
}
