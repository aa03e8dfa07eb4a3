/**
 * Owns one call to a vendor: the secret, the time limit, the look-up before anything is repeated, and that nothing
 * secret comes back out of it, in a result, a message or an exception (CON-8, CON-9). No database, no retries.
 */
import { type Failure, failureOf } from "../core/errors.ts";
import { type JsonObject, unstorable } from "../core/json.ts";
import { SECRET_CHARACTERS_MIN, scrubberOf } from "../core/redaction.ts";
import { compileSchema, issuesText } from "../core/validation.ts";
import {
  type CallContext,
  type ConnectorAuth,
  type ConnectorResult,
  type Inbox,
  issueContext,
  type OperationDefinition,
  type SecretRef,
  type SecretResolver,
} from "./connectors.ts";

const OUTPUT_CHARACTERS_MAX = 1_048_576;
const MESSAGE_CHARACTERS_MAX = 1_000;

export interface VendorCall {
  readonly operation: OperationDefinition;
  readonly auth: ConnectorAuth;
  readonly input: JsonObject;
  readonly key: string | null;
  readonly traceparent: string;
  readonly inbox: Inbox;
  /** Something may have happened before under this key. */
  readonly repeated: boolean;
  /** Set: find out what happened, but start nothing; this is told when the vendor knows of nothing (CAN-9). */
  readonly insteadOfCalling: Failure | undefined;
}

export interface Called {
  readonly result: ConnectorResult;
  /** The outcome was found at the vendor, not made now (CON-18). */
  readonly reconciled: boolean;
  /** The reference that was resolved for the call (SEC-9). */
  readonly secretRef: SecretRef | undefined;
}

/** Calls, or looks up. Never throws. */
export async function callVendor(secrets: SecretResolver, call: VendorCall): Promise<Called> {
  const { auth } = call;
  if (auth.mode === "none") {
    const { result, reconciled } = await ask(call, undefined);
    const told = result.ok ? result : { ...result, message: printable(result.message) };
    return { result: told, reconciled, secretRef: undefined };
  }
  const { secretRef } = auth;
  const secret = await resolved(secrets, secretRef);
  if (typeof secret !== "string") {
    return { result: failed(secret), reconciled: false, secretRef };
  }
  const { result, reconciled } = await ask(call, secret);
  return { result: scrubbed(result, secret), reconciled, secretRef };
}

async function resolved(secrets: SecretResolver, reference: SecretRef): Promise<string | Failure> {
  const because = (message: string): Failure => ({
    errorClass: "permanent_connector_error",
    message,
  });
  try {
    const secret = await secrets.resolve(reference);
    if (secret === undefined) return because(`the secret ${reference} is not set`);
    if (secret.length >= SECRET_CHARACTERS_MIN) return secret;
    return because(
      `the secret ${reference} is shorter than ${SECRET_CHARACTERS_MIN} characters, so it could not be told from ordinary text`,
    );
  } catch {
    // What a resolver throws may quote what it read, so nothing of it is told.
    const message = `the secret ${reference} could not be read`;
    return { errorClass: "transient_connector_error", message };
  }
}

async function ask(
  call: VendorCall,
  secret: string | undefined,
): Promise<Omit<Called, "secretRef">> {
  const { operation, input, key, traceparent, inbox } = call;
  const { lookup, timeoutMs } = operation;
  const context = (signal: AbortSignal): CallContext =>
    issueContext({ secret, idempotencyKey: key, traceparent, inbox, signal });
  if (call.repeated && key !== null && lookup !== undefined) {
    const found = await timed(timeoutMs, (signal) => lookup(key, context(signal), input));
    if (found !== undefined) {
      return { result: checkOutput(operation, found), reconciled: found.ok };
    }
  }
  if (call.insteadOfCalling !== undefined) {
    return { result: failed(call.insteadOfCalling), reconciled: false };
  }
  const result = await timed(timeoutMs, (signal) => operation.call(input, context(signal)));
  return { result: checkOutput(operation, result), reconciled: false };
}

/** Runs `work` under a time limit; whatever it throws is a value. */
async function timed<R extends ConnectorResult | undefined>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R | ConnectorResult> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ConnectorResult>((resolve) => {
    timer = setTimeout(() => {
      resolve(failed({ errorClass: "timeout", message: `no answer within ${timeoutMs} ms` }));
      abort.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(abort.signal), late]);
  } catch (error) {
    return failed(failureOf(error));
  } finally {
    clearTimeout(timer);
  }
}

function checkOutput(operation: OperationDefinition, result: ConnectorResult): ConnectorResult {
  if (!result.ok) return result;
  const { outputSchema } = operation;
  if (JSON.stringify(result.output).length > OUTPUT_CHARACTERS_MAX) {
    const message = `the vendor's answer is larger than ${OUTPUT_CHARACTERS_MAX} characters`;
    return failed({ errorClass: "malformed_payload", message });
  }
  const problem =
    unstorable(result.output, "the answer") ??
    (outputSchema === undefined ? "" : issuesText(compileSchema(outputSchema)(result.output)));
  if (problem === "") return result;
  const message = `the vendor's answer does not fit: ${problem}`;
  return failed({ errorClass: "malformed_payload", message });
}

function scrubbed(result: ConnectorResult, secret: string): ConnectorResult {
  const scrub = scrubberOf([secret]);
  return result.ok
    ? { ok: true, output: scrub.json(result.output) }
    : { ...result, message: printable(scrub.text(result.message)) };
}

/** What a vendor says in anger is kept short, and such that it can be stored. */
function printable(message: string): string {
  const whole = message.slice(0, MESSAGE_CHARACTERS_MAX).replaceAll("\u0000", "\ufffd");
  return whole.replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

export function failed(failure: Failure): Extract<ConnectorResult, { ok: false }> {
  return { ok: false, errorClass: failure.errorClass, message: failure.message };
}
