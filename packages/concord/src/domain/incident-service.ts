/**
 * Owns what people do about incidents (spec §31): try the link again, leave the effect as it is, or say that it
 * is settled outside. Each is a command on record; the chain goes on in the same commit.
 */
import type { Command, Effect, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { decodeId, encodeId } from "../core/ids.ts";
import { unstorable } from "../core/json.ts";
import type { IncidentAction } from "../core/vocabulary.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import { eventOf } from "./audit.ts";
import { resumeChain, settleLink } from "./compensation.ts";
import type { Incident } from "./incidents.ts";
import type { Kit } from "./kit.ts";
import type { Store, Tx } from "./store.ts";

/** Who may settle what a program could not. */
export const INCIDENT_ROLES = ["owner", "operator"] as const;

export interface IncidentRequest {
  /** The outside form, `inc_…`. */
  readonly incidentId: string;
  readonly action: IncidentAction;
  readonly note?: string;
  readonly principal: Principal;
  readonly traceId: string;
}

export interface IncidentService {
  /** Throws `not_found`, also for another tenant's. */
  get(principal: Principal, id: string): Promise<Incident>;
  /** Throws `not_found`, `forbidden`, `incident_closed`, `validation_error` (no note, or an action that does not fit). */
  act(request: IncidentRequest): Promise<Incident>;
}

const NOTE_CHARACTERS_MAX = 2_000;

export function createIncidentService(store: Store, kit: Kit): IncidentService {
  return {
    get: (principal, id) => findOwn(store, principal, id),
    act: async (request) => {
      checkNote(request);
      const incident = await findOwn(store, request.principal, request.incidentId);
      const outcome = await store.transaction((tx) => actWithin(tx, kit, incident, request));
      if (outcome instanceof Refusal) throw outcome;
      return outcome;
    },
  };
}

async function actWithin(
  tx: Tx,
  kit: Kit,
  found: Incident,
  request: IncidentRequest,
): Promise<Incident | Refusal> {
  const target = await tx.commands.lock(found.commandId);
  const incident = await tx.incidents.find(found.incidentId);
  if (target === undefined || incident === undefined) {
    throw new Error("an incident lost its command");
  }
  const id = encodeId("incident", incident.incidentId);
  const note = request.note ?? null;
  const act: Act = {
    commandType: "settle_incident",
    principal: request.principal,
    traceId: request.traceId,
    payload: { incident_id: id, action: request.action, note },
    target,
    policy: "operator",
  };
  const begun = await beginAct(tx, kit, act);
  const refusal = refusalOf(incident, request);
  if (refusal !== undefined) return refuseAct(tx, act, begun, refusal);
  const { user } = request.principal;
  await allowAct(tx, act, begun, `${user} may settle incidents`);
  const closed = await tx.incidents.close(incident.incidentId, user, request.action, note);
  if (closed === undefined) throw new Error("an incident was closed under its command's lock");
  const payload = {
    incident_id: id,
    kind: incident.kind,
    action: request.action,
    note,
    closed_by: user,
  };
  const about = { actor: user, target: { type: "incident", id } };
  await tx.events.append([eventOf(target, "incident_closed", payload, about)]);
  if (incident.kind === "compensation_exhausted") await settle(tx, target, incident, request);
  await finishAct(tx, begun, { incident_id: id, action: request.action });
  return closed;
}

/** The halted chain goes on from the link: tried anew, or counted as settled. */
async function settle(
  tx: Tx,
  target: Command,
  incident: Incident,
  request: IncidentRequest,
): Promise<void> {
  const link = await linkOf(tx, incident);
  const actor = request.principal.user;
  if (request.action === "retry") await tx.effects.forgive(link.effectId, link.attempts);
  else {
    const as = request.action === "skip" ? "skipped" : "by_hand";
    await settleLink(tx, target, link, as, request.note ?? null);
  }
  if (target.status === "failed") await resumeChain(tx, target, actor);
}

async function linkOf(tx: Tx, incident: Incident): Promise<Effect> {
  const link = incident.effectId === null ? undefined : await tx.effects.find(incident.effectId);
  if (link === undefined) throw new Error("an exhausted compensation lost its effect");
  const { attempts } = await tx.invocations.history(incident.commandId, link.stepId);
  return { ...link, attempts };
}

function refusalOf(
  incident: Incident,
  { principal, action }: IncidentRequest,
): Refusal | undefined {
  if (!INCIDENT_ROLES.some((role) => principal.roles.includes(role))) {
    const roles = INCIDENT_ROLES.join(" or ");
    return new Refusal("forbidden", `Only the role ${roles} may settle incidents.`);
  }
  if (incident.status !== "open") {
    return new Refusal("incident_closed", `${incident.closedBy} closed it: ${incident.action}.`);
  }
  if (incident.kind !== "compensation_exhausted" && action !== "resolve") {
    const message = `There is nothing to ${action} about ${incident.kind}; resolve it with a note.`;
    return new Refusal("validation_error", message);
  }
  return undefined;
}

async function findOwn(store: Store, principal: Principal, id: string): Promise<Incident> {
  const incidentId = decodeId("incident", id);
  const found =
    incidentId === undefined ? undefined : await store.read((tx) => tx.incidents.find(incidentId));
  if (found === undefined || found.tenantId !== principal.tenant) {
    throw new Refusal(
      "not_found",
      "There is no such incident; ids look like inc_ and 32 hex digits.",
    );
  }
  return found;
}

/** Whoever leaves an effect standing, or says it is settled, says why. */
function checkNote({ action, note }: IncidentRequest): void {
  const text = note ?? "";
  const problem =
    unstorable(text, "note") ??
    (text.length > NOTE_CHARACTERS_MAX
      ? `note is longer than ${NOTE_CHARACTERS_MAX} characters`
      : action !== "retry" && text.trim() === ""
        ? `to ${action} an incident, say why in note`
        : undefined);
  if (problem !== undefined) throw new Refusal("validation_error", problem);
}
