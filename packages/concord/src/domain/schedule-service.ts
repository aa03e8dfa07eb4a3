/**
 * Owns what ticks become, and who may see and steer schedules. A tick submits one command for each tenant it
 * concerns; steering is on record. Refuses to own: time.
 */
import type { Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { ScheduleState, Schedules } from "../runtime/protocol/index.ts";
import type { CommandService } from "./command-service.ts";
import { isoTime, type Kit } from "./kit.ts";
import { payloadOf, type ScheduleDefinition, schedulerOf, tickKey } from "./schedules.ts";
import type { Store } from "./store.ts";

/** May steer what concerns every tenant. */
export const OPERATOR_ROLE = "operator";
/** May see, and trigger for the own tenant. */
export const OWNER_ROLE = "owner";

export interface ScheduleView extends ScheduleState {
  readonly description: string;
  readonly taskName: string;
}

export interface ScheduleService {
  list(principal: Principal): Promise<readonly ScheduleView[]>;
  /** Throw `not_found`, `forbidden`. */
  pause(principal: Principal, name: string, traceId: string): Promise<ScheduleView>;
  resume(principal: Principal, name: string, traceId: string): Promise<ScheduleView>;
  /** For an owner: one command of the own tenant, now. For an operator: a whole tick. */
  trigger(principal: Principal, name: string, traceId: string): Promise<ScheduleView>;
  /** Ticks due in (from, to], ISO 8601, each once. Returns how many were asked for. Throws `validation_error`. */
  backfill(principal: Principal, name: string, range: TickRange, traceId: string): Promise<number>;
}

export interface TickRange {
  readonly from: string;
  readonly to: string;
}

export interface ScheduleParts {
  readonly kit: Kit;
  readonly store: Store;
  readonly commands: Pick<CommandService, "submit">;
  readonly schedules: Schedules | undefined;
  readonly everyTenant: () => Promise<readonly string[]>;
}

const BACKFILL_DAYS_MAX = 366;
const DAY_MS = 86_400_000;

/** Submits what one tick asks for. Delivered twice, it is the same commands. */
export async function runTick(parts: ScheduleParts, name: string, dueAt: Date): Promise<void> {
  const schedule = parts.kit.catalog.schedules().find((one) => one.name === name);
  // Gone from the catalog while its tick was on the way.
  if (schedule === undefined) return;
  for (const tenant of await tenantsOf(parts, schedule)) {
    await submitTick(parts, schedule, tenant, dueAt.toISOString());
  }
}

async function tenantsOf(
  { everyTenant }: ScheduleParts,
  { tenants }: ScheduleDefinition,
): Promise<readonly string[]> {
  if (tenants === "every") return everyTenant();
  return typeof tenants === "function" ? tenants() : tenants;
}

async function submitTick(
  { kit, commands }: ScheduleParts,
  schedule: ScheduleDefinition,
  tenant: string,
  dueAt: string,
): Promise<void> {
  await commands.submit({
    taskName: schedule.task,
    payload: payloadOf(schedule, dueAt),
    principal: schedulerOf(tenant),
    ingress: "scheduled_trigger",
    traceId: kit.newId().replaceAll("-", ""),
    ...(schedule.key === "task" ? {} : { idempotencyKey: tickKey(schedule, dueAt) }),
    metadata: { schedule: schedule.name },
  });
}

export function createScheduleService(parts: ScheduleParts): ScheduleService {
  const { kit } = parts;
  const steer = async (
    principal: Principal,
    name: string,
    traceId: string,
    action: "paused" | "resumed" | "triggered",
    work: (schedules: Schedules) => Promise<void>,
  ): Promise<ScheduleView> => {
    const schedules = must(parts);
    const schedule = seenBy(kit, principal, name);
    mustOperate(principal, schedule);
    await work(schedules);
    await record(parts, principal, traceId, action, { schedule: name });
    return viewOf(kit, await stateOf(schedules, name));
  };
  return {
    list: async (principal) => {
      const seen = kit.catalog.schedules().filter((one) => maySee(principal, one));
      const states = (await parts.schedules?.list()) ?? [];
      return states
        .filter((state) => seen.some((one) => one.name === state.name))
        .map((state) => viewOf(kit, state))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    pause: (principal, name, traceId) =>
      steer(principal, name, traceId, "paused", (schedules) => schedules.pause(name)),
    resume: (principal, name, traceId) =>
      steer(principal, name, traceId, "resumed", (schedules) => schedules.resume(name)),
    trigger: async (principal, name, traceId) => {
      if (principal.roles.includes(OPERATOR_ROLE)) {
        return steer(principal, name, traceId, "triggered", (schedules) => schedules.trigger(name));
      }
      const schedule = seenBy(kit, principal, name);
      await submitTick(parts, schedule, principal.tenant, isoTime(kit.nowMs()));
      await record(parts, principal, traceId, "triggered", { schedule: name });
      return viewOf(kit, await stateOf(must(parts), name));
    },
    backfill: async (principal, name, range, traceId) => {
      const schedules = must(parts);
      mustOperate(principal, seenBy(kit, principal, name));
      const [from, to] = [checkedTime("from", range.from), checkedTime("to", range.to)];
      const days = (to.getTime() - from.getTime()) / DAY_MS;
      if (days <= 0 || days > BACKFILL_DAYS_MAX || to.getTime() > kit.nowMs()) {
        const message = `The range must be of the past, not empty and at most ${BACKFILL_DAYS_MAX} days.`;
        throw new Refusal("validation_error", message);
      }
      const count = await schedules.backfill(name, from, to);
      await record(parts, principal, traceId, "backfilled", { schedule: name, ...range, count });
      return count;
    },
  };
}

function must({ schedules }: ScheduleParts): Schedules {
  if (schedules === undefined) {
    throw new Refusal("not_found", "The durable runtime of this Concord has no schedules.");
  }
  return schedules;
}

function maySee(principal: Principal, { tenants }: ScheduleDefinition): boolean {
  if (principal.roles.includes(OPERATOR_ROLE)) return true;
  const concerns = typeof tenants !== "object" || tenants.includes(principal.tenant);
  return concerns && principal.roles.includes(OWNER_ROLE);
}

function seenBy(kit: Kit, principal: Principal, name: string): ScheduleDefinition {
  const schedule = kit.catalog.schedules().find((one) => one.name === name);
  if (schedule !== undefined && maySee(principal, schedule)) return schedule;
  throw new Refusal("not_found", "There is no such schedule, or it is not yours to see.");
}

/** What concerns others too is not for one tenant's owner to stop. */
function mustOperate(principal: Principal, { tenants }: ScheduleDefinition): void {
  const isOwn = typeof tenants === "object" && tenants.every((one) => one === principal.tenant);
  if (isOwn || principal.roles.includes(OPERATOR_ROLE)) return;
  throw new Refusal(
    "forbidden",
    `It concerns other tenants too: only ${OPERATOR_ROLE} may do that.`,
  );
}

async function stateOf(schedules: Schedules, name: string): Promise<ScheduleState> {
  const state = (await schedules.list()).find((one) => one.name === name);
  if (state === undefined) throw new Refusal("not_found", "The schedule is not running.");
  return state;
}

function viewOf(kit: Kit, state: ScheduleState): ScheduleView {
  const definition = kit.catalog.schedules().find((one) => one.name === state.name);
  return { ...state, description: definition?.description ?? "", taskName: definition?.task ?? "" };
}

function checkedTime(name: string, text: string): Date {
  const at = new Date(text);
  if (!Number.isNaN(at.getTime())) return at;
  throw new Refusal(
    "validation_error",
    `${name} is no time; use ISO 8601, e.g. 2027-01-31T00:00:00Z.`,
  );
}

async function record(
  { store }: ScheduleParts,
  principal: Principal,
  traceId: string,
  action: "paused" | "resumed" | "triggered" | "backfilled",
  payload: JsonObject,
): Promise<void> {
  await store.transaction((tx) =>
    tx.events.append([
      {
        tenantId: principal.tenant,
        commandId: null,
        rootCommandId: null,
        parentCommandId: null,
        taskName: null,
        eventType: `schedule_${action}`,
        payload,
        actor: principal.user,
        traceId,
      },
    ]),
  );
}
