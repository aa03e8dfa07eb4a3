/**
 * Owns sending a webhook: signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), to
 * an address that was checked, with bounded time and bytes, and without following anybody anywhere. What the receiver
 * answers is kept short and masked.
 */
import { Webhook } from "standardwebhooks";
import type { JsonObject } from "../../core/json.ts";
import { recordedInput, scrubberOf } from "../../core/redaction.ts";
import type { ConnectorResult, SecretRef, SecretResolver } from "../../domain/connectors.ts";
import type { OutgoingMessage, SendResult, WebhookSender } from "../../domain/webhook-delivery.ts";
import { secretProblem } from "../../domain/webhook-service.ts";
import { parseRanges } from "../connectors/http/addresses.ts";
import { failureOf, type HttpAnswer } from "../connectors/http/answers.ts";
import { addressRefusal, type Guard, guardedRequest } from "../connectors/http/guarded-request.ts";

export interface SenderOptions {
  /** Private ranges that are meant to be reached, e.g. `10.1.0.0/16`. Default none. */
  readonly privateRanges?: readonly string[];
  /** Default false: TLS only. */
  readonly plainHttp?: boolean;
  /** Default 15 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
const ANSWER_BYTES_MAX = 65_536;
const GONE = 410;

export function createWebhookSender(
  secrets: SecretResolver,
  options: SenderOptions,
): WebhookSender {
  const { privateRanges = [], plainHttp = false, timeoutMs = TIMEOUT_MS } = options;
  const guard: Guard = {
    hosts: undefined,
    ranges: parseRanges(privateRanges),
    plainHttp,
    bytesMax: ANSWER_BYTES_MAX,
    // Whether the message was taken stands in the status, however much is said after it.
    cutsAnswers: true,
    redirectsMax: 0,
    showRedirects: true,
  };
  return {
    problemWith: (url) => addressRefusal(url, guard),
    send: async (message) => {
      const keys = await resolved(secrets, message.secretRefs);
      const usable = keys.filter((key) => secretProblem(key) === undefined) as readonly string[];
      if (usable.length === 0) {
        const why = secretProblem(keys[0]) ?? "cannot sign";
        return { responseCode: null, error: `the secret ${message.secretRefs[0]} ${why}` };
      }
      return post(message, usable, guard, timeoutMs);
    },
  };
}

/** Undefined where there is none. What a resolver throws may quote what it read, so nothing of it is told. */
function resolved(secrets: SecretResolver, references: readonly SecretRef[]) {
  return Promise.all(references.map((one) => secrets.resolve(one).catch(() => undefined)));
}

async function post(
  { url, messageId, body, sentAtMs }: OutgoingMessage,
  keys: readonly string[],
  guard: Guard,
  timeoutMs: number,
): Promise<SendResult> {
  const at = new Date(sentAtMs);
  const signatures = keys.map((key) => new Webhook(key).sign(messageId, at, body));
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "concord-webhooks/1",
    "webhook-id": messageId,
    "webhook-timestamp": String(Math.floor(sentAtMs / 1_000)),
    "webhook-signature": signatures.join(" "),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await guardedRequest({ method: "POST", url, headers, body, signal }, guard);
  const scrub = scrubberOf(keys);
  if ("failure" in answer) return unanswered(answer.failure, signal.aborted, timeoutMs);
  return resultOf(answer, scrub.text);
}

function unanswered(failure: ConnectorResult, isLate: boolean, timeoutMs: number): SendResult {
  if (isLate) return { responseCode: null, error: `no answer within ${timeoutMs} ms` };
  if (failure.ok) return { responseCode: null, error: null };
  const refused = failure.errorClass === "permission_denied" ? { ends: "refused" as const } : {};
  return { responseCode: null, error: failure.message, ...refused };
}

function resultOf(answer: HttpAnswer, scrub: (text: string) => string): SendResult {
  const { status } = answer;
  if (status >= 200 && status < 300) return { responseCode: status, error: null };
  if (status >= 300 && status < 400) {
    const error = `${status}: it was redirected; a webhook names its final address`;
    return { responseCode: status, error };
  }
  const failure = failureOf(answer);
  if (failure.ok) return { responseCode: status, error: null };
  const { message, retryAfterMs } = failure;
  return {
    responseCode: status,
    error: `${status}: ${masked(scrub(message.slice(`${status}: `.length)))}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(status === GONE ? { ends: "gone" as const } : {}),
  };
}

/** A stranger's words: nothing that looks personal or secret is kept, nor what no column can hold. */
function masked(text: string): string {
  const safe = text.replaceAll("\u0000", "\ufffd").replaceAll(/\p{Surrogate}/gu, "\ufffd");
  const { said } = recordedInput(undefined, { said: safe } satisfies JsonObject);
  return typeof said === "string" ? said : "";
}
