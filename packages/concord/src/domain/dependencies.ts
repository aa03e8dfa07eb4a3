/**
 * Owns commands that wait for other commands (spec §13.4): no start before every parent is where it has to be, a
 * parent that can no longer get there, cancellation that is passed on, and no circles. Waking is by the parent's
 * last move (CMD-23): nothing is polled.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, decodeId, encodeId } from "../core/ids.ts";
import { type CommandStatus, isResting, RESTING_STATUSES } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import type { Tx } from "./store.ts";

export interface DependencyRequest {
  /** The outside form of the command to wait for. */
  readonly commandId: string;
  /** Where it has to rest. Default `succeeded`. */
  readonly requiredStatus?: CommandStatus;
  /** Whether a parent that cannot get there cancels this command; otherwise it is blocked. Default true. */
  readonly propagateCancellation?: boolean;
}

export interface Dependency {
  readonly parentId: CommandId;
  readonly requiredStatus: CommandStatus;
  readonly propagateCancellation: boolean;
}

/** What a dependency says now: on, not yet, or never. */
export type DependencyState =
  | { readonly kind: "met" }
  | { readonly kind: "open"; readonly waitsFor: readonly CommandId[] }
  | {
      readonly kind: "unreachable";
      readonly parent: Command;
      readonly propagateCancellation: boolean;
    };

/** Statuses in which a command has not begun to work, so that it can still wait. */
export const BEFORE_WORK: readonly CommandStatus[] = [
  "created",
  "validated",
  "waiting_for_input",
  "waiting_for_approval",
  "approved",
  "queued",
  "blocked",
];
const DEPENDENCIES_MAX = 100;

export async function dependencyState(tx: Tx, command: Command): Promise<DependencyState> {
  if (!command.hasDependencies) return { kind: "met" };
  const dependencies = await tx.dependencies.of(command.commandId);
  const waitsFor: CommandId[] = [];
  for (const { parentId, requiredStatus, propagateCancellation } of dependencies) {
    const parent = await tx.commands.find(parentId);
    if (parent === undefined) throw new Error(`there is no command ${parentId}`);
    if (parent.status === requiredStatus) continue;
    if (isResting(parent.status)) return { kind: "unreachable", parent, propagateCancellation };
    waitsFor.push(parentId);
  }
  return waitsFor.length === 0 ? { kind: "met" } : { kind: "open", waitsFor };
}

/**
 * Makes `child` wait for others. Throws `not_found` (also for another tenant's), `dependency_cycle`,
 * `illegal_transition` when it has begun to work, `validation_error`.
 */
export async function addDependencies(
  tx: Tx,
  child: Command,
  principal: Principal,
  requests: readonly DependencyRequest[],
): Promise<void> {
  if (requests.length === 0) return;
  if (requests.length > DEPENDENCIES_MAX) {
    throw new Refusal("validation_error", `A command may wait for ${DEPENDENCIES_MAX} others.`);
  }
  if (!BEFORE_WORK.includes(child.status)) {
    const id = encodeId("command", child.commandId);
    throw new Refusal(
      "illegal_transition",
      `The command ${id} is ${child.status}: it cannot wait any more.`,
    );
  }
  // Two that would close a circle only together come one after the other (CMD-21).
  await tx.dependencies.lockGraph(child.tenantId);
  for (const request of requests) {
    const dependency = await checked(tx, child, principal, request);
    await tx.dependencies.add(child, dependency);
    const payload = {
      parent_command_id: encodeId("command", dependency.parentId),
      required_status: dependency.requiredStatus,
      propagate_cancellation: dependency.propagateCancellation,
    };
    const about = { actor: principal.user };
    await tx.events.append([eventOf(child, "dependency_added", payload, about)]);
  }
}

async function checked(
  tx: Tx,
  child: Command,
  principal: Principal,
  request: DependencyRequest,
): Promise<Dependency> {
  const { requiredStatus = "succeeded", propagateCancellation = true } = request;
  if (!RESTING_STATUSES.includes(requiredStatus)) {
    const known = RESTING_STATUSES.join(", ");
    throw new Refusal("validation_error", `required_status is one of ${known}.`);
  }
  const parentId = decodeId("command", request.commandId);
  const parent = parentId === undefined ? undefined : await tx.commands.find(parentId);
  if (parent === undefined || parent.tenantId !== principal.tenant) {
    throw new Refusal("not_found", `There is no command ${request.commandId} to wait for.`);
  }
  if (await leadsTo(tx, parent.commandId, child.commandId)) {
    const message = `${request.commandId} waits for this command already; a circle would never start.`;
    throw new Refusal("dependency_cycle", message);
  }
  return { parentId: parent.commandId, requiredStatus, propagateCancellation };
}

/** Breadth first over what `from` waits for: whether `target` is `from` or among it. */
async function leadsTo(tx: Tx, from: CommandId, target: CommandId): Promise<boolean> {
  const seen = new Set<CommandId>([from]);
  let level: readonly CommandId[] = [from];
  while (level.length > 0) {
    if (level.includes(target)) return true;
    const above = await tx.dependencies.parentsOf(level);
    level = above.filter((one) => !seen.has(one));
    for (const one of level) seen.add(one);
  }
  return false;
}

/** Why a command ends with its parent. */
export function unreachableText(parent: Command): string {
  return `it waits for ${encodeId("command", parent.commandId)}, which is ${parent.status}`;
}
