/**
 * Owns what an outbound webhook is: an endpoint of a tenant that wants to hear of events, a delivery of one event to
 * it, the message that is sent, and which secrets may sign for which tenant. Refuses to own: sending (adapters), and
 * when (runtime).
 */
import { isTenantVariable, tenantVariables } from "@concert/service-kit/tenant-variable";
import type { Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, type DeliveryId, encodeId, type WebhookId } from "../core/ids.ts";
import { type JsonObject, unstorable } from "../core/json.ts";
import { recordedInput } from "../core/redaction.ts";
import type { DomainEvent } from "./audit.ts";
import type { SecretRef } from "./connectors.ts";
import type { ListOptions, Page } from "./reading.ts";

export const ENDPOINT_STATUSES = ["enabled", "disabled", "deleted"] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];
/** `held`: its endpoint was disabled meanwhile; it goes on when that is enabled again. */
export const DELIVERY_STATUSES = ["pending", "delivered", "failed", "held"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export interface WebhookEndpoint {
  readonly endpointId: WebhookId;
  readonly tenantId: string;
  /** The act that made it. */
  readonly commandId: CommandId;
  readonly url: string;
  readonly description: string;
  /** Names of events, or a beginning with `*`; none stands for all. */
  readonly eventTypes: readonly string[];
  readonly secretRef: SecretRef;
  /** Signs as well until then, so that a receiver may change over at any moment between. */
  readonly previous: { readonly secretRef: SecretRef; readonly until: string } | null;
  readonly status: EndpointStatus;
  readonly disabledReason: string | null;
  /** Deliveries in a row that were given up. */
  readonly failures: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** One time that a message was sent, or was to be. */
export interface DeliveryAttempt {
  readonly at: string;
  readonly round: number;
  readonly responseCode: number | null;
  readonly error: string | null;
  readonly latencyMs: number;
  /** References of the secrets that signed, never the secrets. */
  readonly signedWith: readonly string[];
}

export interface WebhookDelivery {
  readonly deliveryId: DeliveryId;
  readonly endpointId: WebhookId;
  readonly tenantId: string;
  /** Also the `webhook-id` of every repeat: by it a receiver knows what it has seen. */
  readonly eventId: string;
  readonly eventType: string;
  readonly status: DeliveryStatus;
  readonly round: number;
  /** In this round. */
  readonly attempts: number;
  readonly responseCode: number | null;
  readonly error: string | null;
  /** The last ones. */
  readonly log: readonly DeliveryAttempt[];
  readonly nextAttemptAt: string | null;
  readonly createdAt: string;
  readonly completedAt: string | null;
}

export interface DeliveryFilter extends ListOptions {
  readonly endpointId?: WebhookId | undefined;
  readonly status?: DeliveryStatus | undefined;
  readonly eventType?: string | undefined;
}

export interface EndpointRequest {
  readonly url: string;
  readonly secretRef: string;
  readonly eventTypes?: readonly string[];
  readonly description?: string;
}
export type EndpointChange = Partial<Omit<EndpointRequest, "secretRef">>;

/** Who asks, and under which trace. */
export interface Asking {
  readonly principal: Principal;
  readonly traceId: string;
}

/** Everything throws `not_found` for what is another tenant's, and `forbidden` unless the caller is an owner. */
export interface WebhookEndpointService {
  /** From now on. Throws `validation_error`. */
  create(asking: Asking, request: EndpointRequest): Promise<WebhookEndpoint>;
  list(principal: Principal, filter: ListOptions): Promise<Page<WebhookEndpoint>>;
  get(principal: Principal, id: string): Promise<WebhookEndpoint>;
  update(asking: Asking, id: string, change: EndpointChange): Promise<WebhookEndpoint>;
  /** The new secret signs from now on, the old one beside it for `overlapMinutes`. */
  rotate(
    asking: Asking,
    id: string,
    secretRef: string,
    overlapMinutes?: number,
  ): Promise<WebhookEndpoint>;
  disable(asking: Asking, id: string, reason?: string): Promise<WebhookEndpoint>;
  /** Goes on where it stopped, or from now on with `skipMissed`. */
  enable(asking: Asking, id: string, skipMissed?: boolean): Promise<WebhookEndpoint>;
  remove(asking: Asking, id: string): Promise<WebhookEndpoint>;
  deliveries(principal: Principal, filter: DeliveryFilter): Promise<Page<WebhookDelivery>>;
  delivery(principal: Principal, id: string): Promise<WebhookDelivery>;
  /** Starts it again, whatever became of it. Throws `endpoint_disabled`. */
  redeliver(asking: Asking, id: string): Promise<WebhookDelivery>;
}

const TYPE = /^(?:\*|[a-z][a-z0-9_]{0,63}\*?)$/;
const TYPES_MAX = 50;
const DESCRIPTION_CHARACTERS_MAX = 200;
const URL_CHARACTERS_MAX = 2_048;

/** Whether an endpoint that asked for `wanted` hears of `eventType`. */
export function wants(wanted: readonly string[], eventType: string): boolean {
  if (wanted.length === 0) return true;
  return wanted.some((one) =>
    one.endsWith("*") ? eventType.startsWith(one.slice(0, -1)) : one === eventType,
  );
}

/** Throws `validation_error` with every problem that can be seen without the network. */
export function checkEndpoint({ url, eventTypes = [], description = "" }: EndpointChange): void {
  const bad = eventTypes.filter((one) => !TYPE.test(one));
  const problems = [
    ...(url !== undefined && url.length > URL_CHARACTERS_MAX
      ? [`url is longer than ${URL_CHARACTERS_MAX} characters`]
      : []),
    ...bad.map(
      (one) => `"${one.slice(0, 64)}" is no event type such as state_transitioned or approval_*`,
    ),
    ...(eventTypes.length > TYPES_MAX ? [`more than ${TYPES_MAX} event_types`] : []),
    ...(description.length > DESCRIPTION_CHARACTERS_MAX
      ? [`description is longer than ${DESCRIPTION_CHARACTERS_MAX} characters`]
      : []),
    ...[unstorable(description, "description"), unstorable(url ?? "", "url")].flatMap((one) =>
      one === undefined ? [] : [one],
    ),
  ];
  if (problems.length > 0) throw new Refusal("validation_error", `${problems.join("; ")}.`);
}

const VARIABLES = "env:CONCORD_WEBHOOK_";

/**
 * A signature is worth something, so nobody may have another's secret sign: a variable names the tenant, and so does a
 * path. Throws `validation_error`; the value is never repeated, it may be the secret itself.
 */
export function checkSecretRef(tenant: string, reference: string): SecretRef {
  const [scheme = "", ...rest] = reference.split(":");
  const path = rest.join(":");
  const isOwn =
    scheme === "file"
      ? path.startsWith("/") && isWithin(path.split("/"), tenant)
      : scheme === "concordance" && path.startsWith(`tenant:${tenant}/`);
  if (reference.length <= 512 && (isOwn || isTenantVariable(reference, VARIABLES, tenant))) {
    return reference as SecretRef;
  }
  throw new Refusal(
    "validation_error",
    `secret_ref is not one of ${tenantVariables(VARIABLES, tenant)}<NAME>, file:/<directory>/${tenant}/<name> or concordance:tenant:${tenant}/<key>; the secret itself has no place here.`,
  );
}

/** Whether the path leads through the tenant's directory, and not out of it again. */
function isWithin(segments: readonly string[], tenant: string): boolean {
  return segments.includes(tenant) && !segments.some((one) => one === "." || one === "..");
}

/** The secrets that sign at `nowMs`, the present one first. */
export function signingRefs(
  { secretRef, previous }: Pick<WebhookEndpoint, "secretRef" | "previous">,
  nowMs: number,
): readonly SecretRef[] {
  const isOverlap = previous !== null && Date.parse(previous.until) > nowMs;
  return isOverlap ? [secretRef, previous.secretRef] : [secretRef];
}

/** What is sent: no more than anybody who may read the record sees, and what looks personal or secret is masked. */
export function messageOf(event: DomainEvent): JsonObject {
  const outside = (id: CommandId | null) => (id === null ? null : encodeId("command", id));
  const told = { task_name: event.taskName, payload: event.payload };
  return {
    type: event.eventType,
    timestamp: event.at,
    data: {
      event_id: event.eventId,
      tenant_id: event.tenantId,
      command_id: outside(event.commandId),
      root_command_id: outside(event.rootCommandId),
      parent_command_id: outside(event.parentCommandId),
      actor: event.actor,
      trace_id: event.traceId,
      ...recordedInput(undefined, told),
    },
  };
}
