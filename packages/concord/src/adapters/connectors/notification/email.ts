/**
 * Owns sending e-mail over SMTP (RFC 5321) with nodemailer, loaded on demand. The secret is the server's URL. Mail has
 * no way to ask whether a message arrived: a message that may have been sent before is sent again with the same
 * Message-ID, by which servers and readers know it (RFC 5322 §3.6.4). Plain text only; nothing is attached.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../../../core/json.ts";
import type { ErrorClass } from "../../../core/vocabulary.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorDefinition,
  type ConnectorResult,
  type SecretRef,
} from "../../../domain/connectors.ts";
import { TELLING, TELLING_RETRY, type TellingOptions } from "./telling.ts";

export interface EmailConnectorOptions extends TellingOptions {
  /** `smtps://user:password@host:465`, or `smtp://…:587` which has to offer STARTTLS. */
  readonly secretRef: SecretRef;
  /** The sender, e.g. `Concert <no-reply@example.com>`. */
  readonly from: string;
  /** Domains that may be written to; absent: any, which a policy should then decide about. */
  readonly domains?: readonly string[];
  /** Speak without TLS, for a relay on the same machine. Default false. */
  readonly plain?: boolean;
  /** Default 20 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 20_000;
const ADDRESS = '^[^\\s@<>,;:"()\\[\\]\\\\]{1,64}@[A-Za-z0-9.-]{1,255}$';
const INPUT = {
  type: "object",
  required: ["to", "subject", "body"],
  additionalProperties: false,
  properties: {
    to: { type: "array", minItems: 1, maxItems: 50, items: { type: "string", pattern: ADDRESS } },
    subject: { type: "string", minLength: 1, maxLength: 200, pattern: "^[^\\r\\n]*$" },
    body: { type: "string", minLength: 1, maxLength: 100_000 },
  },
} as const;

/** Operation `send_email`. */
export function emailConnector(options: EmailConnectorOptions): ConnectorDefinition {
  const { name, keyTemplate, secretRef, rateLimit, timeoutMs = TIMEOUT_MS } = options;
  return {
    name,
    connectorType: "notification",
    riskLevel: "medium",
    auth: { mode: "secret", secretRef },
    ...(rateLimit === undefined ? {} : { rateLimit }),
    operations: {
      send_email: {
        ...TELLING,
        description: "Send an e-mail.",
        keyTemplate,
        inputSchema: INPUT,
        timeoutMs,
        retry: options.retry ?? TELLING_RETRY,
        call: (input, context) => send(options, timeoutMs, input, context),
      },
    },
  };
}

async function send(
  { from, domains, plain = false }: EmailConnectorOptions,
  timeoutMs: number,
  input: JsonObject,
  context: CallContext,
): Promise<ConnectorResult> {
  assertIssued(context);
  const to = input["to"] as readonly string[];
  const outside = to.filter((one) => domains !== undefined && !isAt(domains, one));
  if (outside.length > 0) {
    const message = `${outside.length} of the recipients are not at ${domains?.join(", ")}`;
    return { ok: false, errorClass: "permission_denied", message };
  }
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({
    url: context.secret,
    requireTLS: !plain,
    ignoreTLS: plain,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  } as Parameters<typeof createTransport>[0]);
  const giveUp = () => transport.close();
  context.signal.addEventListener("abort", giveUp, { once: true });
  try {
    const messageId = messageIdOf(from, context.idempotencyKey ?? "");
    const { accepted, rejected } = await transport.sendMail({
      from,
      to: [...to],
      subject: String(input["subject"]),
      text: String(input["body"]),
      messageId,
      // Machines that answer mail leave this one alone (RFC 3834).
      headers: { "Auto-Submitted": "auto-generated" },
    });
    const counts = { accepted: accepted.length, rejected: rejected.length };
    return { ok: true, output: { channel: "email", message_id: messageId, ...counts } };
  } catch (error) {
    return failureOf(error);
  } finally {
    context.signal.removeEventListener("abort", giveUp);
    transport.close();
  }
}

function isAt(domains: readonly string[], address: string): boolean {
  const domain = address.slice(address.lastIndexOf("@") + 1).toLowerCase();
  return domains.some((one) => one.toLowerCase() === domain);
}

/** The same message has the same id, however often it is sent. */
function messageIdOf(from: string, key: string): string {
  const domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? "concord.invalid";
  return `<${createHash("sha256").update(key).digest("hex").slice(0, 40)}@${domain}>`;
}

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
}

/** RFC 5321 §4.2.1: 4yz may work later, 5yz will not. */
function failureOf(error: unknown): ConnectorResult {
  const { code = "", responseCode = 0 } = error as SmtpError;
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, errorClass: classOf(code, responseCode), message };
}

function classOf(code: string, responseCode: number): ErrorClass {
  if (responseCode >= 500 || code === "ETLS" || code === "EENVELOPE" || code === "EAUTH") {
    return responseCode >= 400 && responseCode < 500
      ? "transient_connector_error"
      : "permanent_connector_error";
  }
  return code === "ETIMEDOUT" ? "timeout" : "transient_connector_error";
}
