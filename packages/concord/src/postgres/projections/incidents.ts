/** Owns the inbox of incidents: those of one tenant, newest first, by an opaque cursor. */
import type { Pool } from "pg";
import type { Incident } from "../../domain/incidents.ts";
import type { IncidentFilter, Page } from "../../domain/reading.ts";
import { incidentOf } from "../repositories/incidents.ts";
import { overPool } from "../schema.ts";
import { olderThan, pageOf } from "./lists.ts";

export async function listIncidents(
  pool: Pool,
  tenantId: string,
  filter: IncidentFilter,
): Promise<Page<Incident>> {
  let query = overPool(pool)
    .selectFrom("concord.incidents")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("created_at", "desc")
    .orderBy("incident_id", "desc")
    .limit(filter.limit + 1);
  if (filter.status !== undefined) query = query.where("status", "=", filter.status);
  if (filter.kind !== undefined) query = query.where("kind", "=", filter.kind);
  if (filter.commandId !== undefined) {
    const id = filter.commandId;
    query = query.where((where) =>
      where.or([where("command_id", "=", id), where("root_command_id", "=", id)]),
    );
  }
  if (filter.cursor !== undefined) query = query.where(olderThan(filter.cursor, "incident_id"));
  const incidents = (await query.execute()).map(incidentOf);
  return pageOf(incidents, filter.limit, (one) => [one.createdAt, one.incidentId]);
}
