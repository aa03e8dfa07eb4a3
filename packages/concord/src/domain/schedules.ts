/**
 * Owns what a schedule is (spec §84): each tick submits a command, so policy, approval and audit apply as to any
 * other. The key holds the tick's time, so however often a tick is delivered, it is one command (SCH-3).
 * Refuses to own: when ticks happen, which the runtime does.
 */
import type { Principal } from "../core/command.ts";
import type { JsonObject } from "../core/json.ts";

export interface ScheduleDefinition {
  readonly name: string;
  readonly description: string;
  /** The task that each tick submits, with ingress `scheduled_trigger`. */
  readonly task: string;
  /** Five or six fields, UTC. */
  readonly cron: string;
  /** From the time the tick was due, ISO 8601. Default: `{"due_at": …}`. */
  readonly payload?: (dueAt: string) => JsonObject;
  /** One command each. `every`: those that have commands; a function is asked at each tick. */
  readonly tenants: readonly string[] | "every" | (() => Promise<readonly string[]>);
  /**
   * What makes two ticks one command. `tick`: the time they were due (default). `task`: what the task's own rule says,
   * so that a tick and a person who asks for the same thing are one command too.
   */
  readonly key?: "tick" | "task";
  /** Ticks while nobody was there: made up for, or left out. Default `skip`. */
  readonly missed?: "run" | "skip";
}

/** Who asks for scheduled work: no person, and none of a person's rights. */
export function schedulerOf(tenant: string): Principal {
  return { tenant, user: "system:schedule", roles: ["system"], permissions: [] };
}

export function payloadOf(schedule: ScheduleDefinition, dueAt: string): JsonObject {
  return schedule.payload?.(dueAt) ?? { due_at: dueAt };
}

/** SCH-3. */
export function tickKey(schedule: ScheduleDefinition, dueAt: string): string {
  return `schedule:${schedule.name}:${dueAt}`;
}
