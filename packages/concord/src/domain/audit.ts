/** Owns the shape of a domain event and which purpose each type serves (AUD-1, AUD-9). */
import type { Command } from "../core/command.ts";
import { AGENT_STEP_TYPES, type EventType, PRODUCT_EVENT_TYPES } from "../core/event-types.ts";
import type { CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { EventPurpose } from "../core/vocabulary.ts";

export interface NewEvent {
  readonly tenantId: string;
  readonly commandId: CommandId | null;
  readonly rootCommandId: CommandId | null;
  readonly parentCommandId: CommandId | null;
  readonly taskName: string | null;
  readonly eventType: EventType;
  readonly payload: JsonObject;
  readonly actor: string;
  readonly traceId: string;
  readonly stepIndex?: number;
  readonly toolName?: string;
  readonly latencyMs?: number;
  readonly tokenUsage?: JsonObject;
  readonly target?: { readonly type: string; readonly id: string };
}

/** An event as readers see it; `cursor` is opaque and grows in the order of the feed. */
export interface DomainEvent extends Omit<NewEvent, "eventType"> {
  /** Also one that an older or newer Concord wrote. */
  readonly eventType: string;
  readonly cursor: string;
  readonly eventId: string;
  readonly purpose: EventPurpose;
  readonly at: string;
}

const AGENT_STEPS: readonly EventType[] = AGENT_STEP_TYPES;
const PRODUCT_EVENTS: readonly EventType[] = PRODUCT_EVENT_TYPES;

export function purposeOf(eventType: EventType): EventPurpose {
  if (AGENT_STEPS.includes(eventType)) return "agent_step";
  return PRODUCT_EVENTS.includes(eventType) ? "event" : "audit";
}

/** An event about `command`, by its requester unless `actor` says otherwise. */
export function eventOf(
  command: Command,
  eventType: EventType,
  payload: JsonObject,
  more: Partial<
    Pick<NewEvent, "actor" | "stepIndex" | "toolName" | "latencyMs" | "tokenUsage" | "target">
  > = {},
): NewEvent {
  return {
    tenantId: command.tenantId,
    commandId: command.commandId,
    rootCommandId: command.rootCommandId,
    parentCommandId: command.parentCommandId,
    taskName: command.taskName,
    eventType,
    payload,
    actor: command.requestedBy,
    traceId: command.traceId,
    ...more,
  };
}
