/** Owns what can be read about many commands at once: lists, the story of one, the feed, figures. Postgres implements it. */
import type { Command } from "../core/command.ts";
import type { CommandId } from "../core/ids.ts";
import type { TimelineText } from "../core/timeline.ts";
import type { EventPurpose, InputStatus } from "../core/vocabulary.ts";
import type { DomainEvent } from "./audit.ts";
import type { InputRequest } from "./input.ts";

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

export interface ListOptions {
  readonly limit: number;
  /** From an earlier page; anything else is refused as `invalid_cursor`. */
  readonly cursor?: string | undefined;
}

export interface CommandFilter extends ListOptions {
  readonly status?: string | undefined;
  readonly taskName?: string | undefined;
  readonly rootCommandId?: CommandId | undefined;
  readonly requestedBy?: string | undefined;
  readonly ingress?: string | undefined;
  /** ISO 8601. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export interface ApprovalFilter extends ListOptions {
  readonly status?: string;
  /** Of this command or of any below it. */
  readonly commandId?: CommandId;
}

export interface IncidentFilter extends ListOptions {
  readonly status?: string;
  readonly kind?: string;
  /** Of this command or of any below it. */
  readonly commandId?: CommandId;
}

export interface InputFilter extends ListOptions {
  readonly status?: InputStatus;
  /** Of this command or of any below it. */
  readonly commandId?: CommandId;
}

/** A question to a person, as the list of them shows it. */
export interface AskedInput extends InputRequest {
  readonly commandId: CommandId;
  readonly rootCommandId: CommandId;
  readonly taskName: string;
  /** Whom it is for; an owner may answer as well. */
  readonly requestedBy: string;
  readonly status: InputStatus;
  readonly createdAt: string;
  readonly closedAt: string | null;
  readonly answeredBy: string | null;
}

/** Of the record; times are ISO 8601. */
export interface RecordFilter extends ListOptions {
  readonly purpose?: EventPurpose | undefined;
  readonly eventType?: string | undefined;
  readonly actor?: string | undefined;
  readonly commandId?: CommandId | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export type TimelineEntry = DomainEvent & TimelineText;

export interface Timeline {
  readonly command: Command;
  readonly entries: readonly TimelineEntry[];
}

/** Rows by status or class, over all tenants. */
export interface Counts {
  readonly commands: Readonly<Record<string, number>>;
  readonly approvals: Readonly<Record<string, number>>;
  readonly effects: Readonly<Record<string, number>>;
  readonly connectorErrors: Readonly<Record<string, number>>;
  readonly policyDecisions: Readonly<Record<string, number>>;
  readonly webhookDeliveries: Readonly<Record<string, number>>;
}

/** Whether the record of a tenant is still what was written. */
export interface AuditReport {
  readonly intact: boolean;
  readonly tenantId: string;
  readonly seals: number;
  /** Events that the seals cover. */
  readonly events: number;
  /** Events too young to be sealed. */
  readonly unsealed: number;
  /** The last seal, hexadecimal: keep it elsewhere, and a later check tells whether the end was cut off. */
  readonly head: string;
  /** What is wrong and where; empty when intact. */
  readonly problems: readonly string[];
}

export interface FeedFilter {
  /** Absent: every tenant; only for callers who may see all of them. */
  readonly tenantId?: string;
  readonly rootCommandId?: CommandId;
  readonly types?: readonly string[];
}

export interface EventFeed {
  /** Events after `cursor` (`"0"` from the beginning, undefined from now) until `signal` fires. */
  read(
    cursor: string | undefined,
    filter: FeedFilter,
    signal: AbortSignal,
  ): AsyncGenerator<DomainEvent, void, void>;
  /** Throws `Refusal` `invalid_cursor` when this feed cannot have given out `cursor`. */
  check(cursor: string): void;
  /** The cursor of this moment: what commits from now on comes after it. */
  now(): Promise<string>;
  /** Resolves at the next committed event, or after `timeoutMs`. */
  changed(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  readerCount(): number;
  start(): Promise<void>;
  stop(): Promise<void>;
}
