/** Owns what an incident is: something only a person can settle, asked once, and answered on the record (spec §31). */
import type { Command, Effect } from "../core/command.ts";
import { asId, type CommandId, type EffectId, encodeId, type IncidentId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { IncidentAction, IncidentKind, IncidentStatus } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";

export interface Incident {
  readonly incidentId: IncidentId;
  readonly tenantId: string;
  readonly commandId: CommandId;
  readonly rootCommandId: CommandId;
  readonly effectId: EffectId | null;
  readonly kind: IncidentKind;
  readonly status: IncidentStatus;
  readonly message: string;
  readonly detail: JsonObject;
  readonly createdAt: string;
  readonly closedAt: string | null;
  readonly closedBy: string | null;
  readonly action: IncidentAction | null;
  readonly note: string | null;
}

/** Asks for a person, unless one is already asked about the same thing. */
export async function openIncident(
  tx: Tx,
  kit: Kit,
  command: Command,
  effect: Effect,
  kind: IncidentKind,
  message: string,
  detail: JsonObject = {},
): Promise<void> {
  const opened = await tx.incidents.open({
    incidentId: asId("incident", kit.newId()),
    tenantId: command.tenantId,
    commandId: command.commandId,
    rootCommandId: command.rootCommandId,
    effectId: effect.effectId,
    kind,
    message,
    detail: { effect_type: effect.effectType, ...detail },
  });
  if (opened === undefined) return;
  const id = encodeId("incident", opened.incidentId);
  const payload = { incident_id: id, kind, message, effect_type: effect.effectType };
  await tx.events.append([
    eventOf(command, "incident_opened", payload, { target: { type: "incident", id } }),
  ]);
}
