/** Owns SQL on `domain_events`: append (credentials never get that far, AUD-12), and the mapping of a row to an event with its cursor. */
import type { Selectable } from "kysely";
import type { ClientBase } from "pg";
import { asId, encodeId } from "../../core/ids.ts";
import { withoutCredentials } from "../../core/redaction.ts";
import type { EventPurpose } from "../../core/vocabulary.ts";
import { type DomainEvent, type NewEvent, purposeOf } from "../../domain/audit.ts";
import type { EventRepository } from "../../domain/store.ts";
import { building, fixedRows } from "../fixed.ts";
import { type EventTable, isoOf, jsonb } from "../schema.ts";
import { type OpenTransaction, openTransaction, query } from "../transaction.ts";

type Row = ReturnType<typeof rowOf>;

const COLUMNS = [
  "event_id",
  "tenant_id",
  "command_id",
  "root_command_id",
  "parent_command_id",
  "task_name",
  "purpose",
  "event_type",
  "payload",
  "actor",
  "trace_id",
  "target_type",
  "target_id",
  "step_index",
  "tool_name",
  "latency_ms",
  "token_usage",
] as const satisfies readonly (keyof Row)[];
const insert = fixedRows<Row>(COLUMNS, (rows) =>
  building.insertInto("concord.domain_events").values(rows),
);

/** What each open transaction has appended and not sent. */
const appended = new WeakMap<OpenTransaction, Row[]>();

/** Events are written with the commit, all in one statement: nothing within the transaction reads them. */
export function eventRepository(
  client: ClientBase,
  newId: () => string,
  announce: () => void,
): EventRepository {
  return {
    append: async (events) => {
      const rows = events.map((event) => rowOf(event, newId()));
      if (rows.length === 0) return;
      const transaction = openTransaction(client);
      if (transaction === undefined) {
        await query(client, insert(rows));
        announce();
        return;
      }
      const before = appended.get(transaction);
      if (before !== undefined) {
        before.push(...rows);
        return;
      }
      appended.set(transaction, rows);
      transaction.afterCommit(announce);
      const compile = () => {
        appended.delete(transaction);
        return insert(rows);
      };
      await transaction.later({ table: "domain_events", kind: "insert", compile });
    },
  };
}

function rowOf(event: NewEvent, eventId: string) {
  return {
    event_id: eventId,
    tenant_id: event.tenantId,
    command_id: event.commandId,
    root_command_id: event.rootCommandId,
    parent_command_id: event.parentCommandId,
    // A refused request may name anything.
    task_name: withoutCredentials(event.taskName),
    purpose: purposeOf(event.eventType),
    event_type: event.eventType,
    payload: jsonb(withoutCredentials(event.payload)),
    actor: event.actor,
    trace_id: event.traceId,
    target_type: event.target?.type ?? null,
    target_id: event.target?.id ?? null,
    step_index: event.stepIndex ?? null,
    tool_name: withoutCredentials(event.toolName ?? null),
    latency_ms: event.latencyMs ?? null,
    token_usage: event.tokenUsage === undefined ? null : jsonb(event.tokenUsage),
  };
}

/** Opaque to callers: the writing transaction and the row's number in it. */
export function cursorOf(row: Pick<Selectable<EventTable>, "transaction_id" | "seq">): string {
  return `${row.transaction_id}-${row.seq}`;
}

export function eventOfRow(row: Selectable<EventTable>): DomainEvent {
  const id = (value: string | null) => (value === null ? null : asId("command", value));
  return {
    cursor: cursorOf(row),
    eventId: encodeId("event", row.event_id),
    tenantId: row.tenant_id,
    commandId: id(row.command_id),
    rootCommandId: id(row.root_command_id),
    parentCommandId: id(row.parent_command_id),
    taskName: row.task_name,
    purpose: row.purpose as EventPurpose,
    eventType: row.event_type,
    payload: row.payload,
    actor: row.actor,
    traceId: row.trace_id,
    at: isoOf(row.created_at),
    ...(row.step_index === null ? {} : { stepIndex: row.step_index }),
    ...(row.tool_name === null ? {} : { toolName: row.tool_name }),
  };
}
