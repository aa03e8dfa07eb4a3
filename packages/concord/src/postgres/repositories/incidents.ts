/** Owns SQL on `incidents`: one open question of a kind per effect, closed once by compare-and-set. */
import { type Selectable, sql } from "kysely";
import { asId } from "../../core/ids.ts";
import type { IncidentAction, IncidentKind, IncidentStatus } from "../../core/vocabulary.ts";
import type { Incident } from "../../domain/incidents.ts";
import type { IncidentRepository } from "../../domain/store.ts";
import { type Db, type IncidentTable, isoOf, isoOrNull, jsonb } from "../schema.ts";

export function incidentOf(row: Selectable<IncidentTable>): Incident {
  return {
    incidentId: asId("incident", row.incident_id),
    tenantId: row.tenant_id,
    commandId: asId("command", row.command_id),
    rootCommandId: asId("command", row.root_command_id),
    effectId: row.domain_effect_id === null ? null : asId("effect", row.domain_effect_id),
    kind: row.kind as IncidentKind,
    status: row.status as IncidentStatus,
    message: row.message,
    detail: row.detail,
    createdAt: isoOf(row.created_at),
    closedAt: isoOrNull(row.closed_at),
    closedBy: row.closed_by,
    action: row.action as IncidentAction | null,
    note: row.note,
  };
}

export function incidentRepository(db: Db): IncidentRepository {
  const select = () => db.selectFrom("concord.incidents").selectAll();
  return {
    open: async (incident) => {
      const row = await db
        .insertInto("concord.incidents")
        .values({
          incident_id: incident.incidentId,
          tenant_id: incident.tenantId,
          command_id: incident.commandId,
          root_command_id: incident.rootCommandId,
          domain_effect_id: incident.effectId,
          kind: incident.kind,
          message: incident.message,
          detail: jsonb(incident.detail),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : incidentOf(row);
    },
    find: async (id) => {
      const row = await select().where("incident_id", "=", id).executeTakeFirst();
      return row === undefined ? undefined : incidentOf(row);
    },
    ofCommand: async (commandId) => {
      const rows = await select()
        .where("command_id", "=", commandId)
        .orderBy("incident_id")
        .execute();
      return rows.map(incidentOf);
    },
    close: async (id, by, action, note) => {
      const row = await db
        .updateTable("concord.incidents")
        .set({ status: "closed", closed_at: sql`now()`, closed_by: by, action, note })
        .where("incident_id", "=", id)
        .where("status", "=", "open")
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : incidentOf(row);
    },
  };
}
