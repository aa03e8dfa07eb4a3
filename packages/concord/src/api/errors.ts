/** Owns every error code of the HTTP API: its status and what it tells (wire §2). The API document is made from it. */
import { ApiError } from "@concert/service-kit";
import { Refusal, type RefusalCode } from "../core/errors.ts";
import type { Concord } from "../domain/face.ts";

/** Codes that the HTTP room itself gives out, beside the refusals of the services. */
type HttpCode =
  | "unauthorized"
  | "invalid_actor"
  | "invalid_json"
  | "invalid_request"
  | "request_too_large"
  | "internal_error"
  | "unavailable";
export type ErrorCode = RefusalCode | HttpCode;

export interface ErrorMeaning {
  readonly status: number;
  readonly meaning: string;
}

const at = (status: number, meaning: string): ErrorMeaning => ({ status, meaning });

export const ERRORS: Readonly<Record<ErrorCode, ErrorMeaning>> = {
  invalid_json: at(400, "The body is not valid JSON."),
  invalid_request: at(400, "The request does not match its schema; details name each place."),
  validation_error: at(400, "The payload does not fit the task; details name each place."),
  invalid_cursor: at(400, "The cursor is not one that was given out; start without it."),
  unauthorized: at(401, "Send a valid key as Authorization: Bearer <key>."),
  invalid_actor: at(401, "A person is needed: send a valid actor token."),
  forbidden: at(403, "Only the requester or an owner may do this."),
  policy_denied: at(403, "Policy denies it; details name the command on record."),
  not_approver: at(403, "Somebody else was asked to decide."),
  self_approval_refused: at(403, "Whoever asked may not decide."),
  not_found: at(404, "There is no such thing in this tenant."),
  unknown_task: at(404, "No task of that name is registered."),
  idempotency_conflict: at(409, "The key already made a command from another payload."),
  approval_already_decided: at(409, "The approval was decided, cancelled or expired before."),
  approval_stale: at(409, "The command is no longer what the approver was asked about."),
  illegal_transition: at(409, "The command's status does not allow it; read it again."),
  cancellation_closed: at(409, "It can no longer be cancelled; details are in the message."),
  incident_closed: at(409, "Somebody closed the incident before."),
  dependency_cycle: at(409, "The command to wait for waits for this one."),
  endpoint_disabled: at(409, "The webhook is disabled; enable it first."),
  request_too_large: at(413, "The body is larger than 1 MiB."),
  internal_error: at(500, "Something failed on our side; the log has it under the trace id."),
  unavailable: at(503, "Storage is away for the moment; try again after Retry-After seconds."),
};

/** A client that asks again after this long finds a database that was only restarted. */
export const RETRY_AFTER_SECONDS = 2;

/** Runs `work`; a refusal of ours becomes the answer the wire names, lost storage becomes `unavailable`. */
export async function answering<T>(concord: Concord, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) {
      const { code, message, details } = error;
      throw new ApiError(ERRORS[code].status, code, message, details);
    }
    if (!concord.isUnavailable(error)) throw error;
    throw new ApiError(503, "unavailable", ERRORS.unavailable.meaning);
  }
}
