/**
 * Owns posting to an incoming webhook as Slack has them: the webhook's URL is the secret, and says where the message
 * goes. Such a webhook takes no key and answers no questions, so a post that may have happened is repeated.
 */
import type { JsonObject } from "../../../core/json.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorDefinition,
  type ConnectorResult,
  type SecretRef,
} from "../../../domain/connectors.ts";
import { parseRanges } from "../http/addresses.ts";
import { failureOf } from "../http/answers.ts";
import { type Guard, guardedRequest } from "../http/guarded-request.ts";
import { TELLING, TELLING_RETRY, type TellingOptions } from "./telling.ts";

export interface SlackConnectorOptions extends TellingOptions {
  /** Where the webhook's URL is kept. */
  readonly secretRef: SecretRef;
  /** Hosts that the URL may be of. Default `hooks.slack.com`. */
  readonly hosts?: readonly string[];
  /** For a chat server inside the house. */
  readonly privateRanges?: readonly string[];
  readonly plainHttp?: boolean;
}

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;
const INPUT = {
  type: "object",
  required: ["text"],
  additionalProperties: false,
  properties: { text: { type: "string", minLength: 1, maxLength: 3_000 } },
} as const;

/** Operation `send_slack`. */
export function slackConnector(options: SlackConnectorOptions): ConnectorDefinition {
  const { name, keyTemplate, secretRef, rateLimit = { requestsMax: 1, perSeconds: 1 } } = options;
  const guard: Guard = {
    hosts: options.hosts ?? ["hooks.slack.com"],
    ranges: parseRanges(options.privateRanges ?? []),
    plainHttp: options.plainHttp ?? false,
    bytesMax: ANSWER_BYTES_MAX,
    redirectsMax: 0,
  };
  return {
    name,
    connectorType: "notification",
    riskLevel: "low",
    auth: { mode: "secret", secretRef },
    rateLimit,
    operations: {
      send_slack: {
        ...TELLING,
        description: "Post a message to the channel of a webhook.",
        keyTemplate,
        inputSchema: INPUT,
        timeoutMs: TIMEOUT_MS,
        retry: options.retry ?? TELLING_RETRY,
        call: (input, context) => post(guard, input, context),
      },
    },
  };
}

async function post(
  guard: Guard,
  input: JsonObject,
  context: CallContext,
): Promise<ConnectorResult> {
  assertIssued(context);
  const answer = await guardedRequest(
    {
      method: "POST",
      url: context.secret ?? "",
      headers: { "content-type": "application/json", traceparent: context.traceparent },
      body: JSON.stringify({ text: escaped(String(input["text"])) }),
      signal: context.signal,
    },
    guard,
  );
  if ("failure" in answer) return answer.failure;
  if (answer.status === 200) return { ok: true, output: { channel: "slack" } };
  return failureOf(answer);
}

/** The three characters by which a text could call a whole channel or hide a link. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
