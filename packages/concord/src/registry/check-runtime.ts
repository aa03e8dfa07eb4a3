/**
 * Owns refusing a catalog that the durable runtime cannot carry (RUN-4, CMP-7) and schedules that cannot fire
 * (SCH-5): every problem at once, naming who needs what.
 */
import { Cron } from "croner";
import type { ScheduleDefinition } from "../domain/schedules.ts";
import { acceptsIngress, type TaskDefinition } from "../domain/tasks.ts";
import type { RuntimeCapability } from "../runtime/protocol/index.ts";
import type { Registrations } from "./catalog.ts";

export interface RuntimeOffer {
  readonly name: string;
  readonly capabilities: ReadonlySet<RuntimeCapability>;
}

/** What every command needs of whatever runs it. */
const ALWAYS: readonly RuntimeCapability[] = ["durable_workflows", "durable_steps", "signals"];

export function runtimeProblems(registered: Registrations, offer: RuntimeOffer): readonly string[] {
  const needs = [
    ...ALWAYS.map((capability) => ({ who: "every command", capability })),
    ...registered.tasks.flatMap(taskNeeds),
    ...registered.connectors.flatMap((connector) =>
      Object.entries(connector.operations).flatMap(([name, { requires = [] }]) =>
        requires.map((capability) => ({
          who: `operation "${connector.name}.${name}"`,
          capability,
        })),
      ),
    ),
    ...registered.schedules.map(({ name }) => ({
      who: `schedule "${name}"`,
      capability: "schedules" as const,
    })),
  ];
  return needs
    .filter(({ capability }) => !offer.capabilities.has(capability))
    .map(({ who, capability }) => `${who} needs ${capability}, which ${offer.name} does not offer`);
}

function taskNeeds({ name, requires = [] }: TaskDefinition) {
  return requires.map((capability) => ({ who: `task "${name}"`, capability }));
}

export function scheduleProblems(
  { schedules, tasks }: Registrations,
  builtInTasks: readonly string[],
): readonly string[] {
  const known = [...tasks.map(({ name }) => name), ...builtInTasks];
  return schedules.flatMap((schedule) => {
    const at = `schedule "${schedule.name}"`;
    const task = tasks.find(({ name }) => name === schedule.task);
    const accepts = acceptsIngress(task ?? {}, "scheduled_trigger");
    return [
      ...cronProblem(at, schedule),
      ...(known.includes(schedule.task) ? [] : [`${at} names the unknown task "${schedule.task}"`]),
      ...(accepts ? [] : [`${at}: ${schedule.task} does not accept scheduled_trigger`]),
      ...(typeof schedule.tenants === "object" && schedule.tenants.length === 0
        ? [`${at} concerns no tenant`]
        : []),
    ];
  });
}

function cronProblem(at: string, { cron }: ScheduleDefinition): readonly string[] {
  try {
    const next = new Cron(cron, { paused: true, timezone: "UTC" }).nextRun();
    return next === null ? [`${at}: "${cron}" never comes`] : [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [`${at}: "${cron}" is no cron text: ${message}`];
  }
}

const PROVIDER = /^[a-z0-9-]{1,64}$/;

export function webhookProblems({ webhooks, tasks }: Registrations): readonly string[] {
  const providers = webhooks.map(({ provider }) => provider);
  return webhooks.flatMap(({ provider, task }, n) => {
    const at = `webhook "${provider}"`;
    const found = tasks.find(({ name }) => name === task);
    const accepts = acceptsIngress(found ?? {}, "external_webhook");
    return [
      ...(PROVIDER.test(provider) ? [] : [`${at}: a provider is 1 to 64 of a-z, 0-9 and -`]),
      ...(providers.indexOf(provider) === n ? [] : [`${at} is registered twice`]),
      ...(found === undefined ? [`${at} names the unknown task "${task}"`] : []),
      ...(accepts ? [] : [`${at}: ${task} does not accept external_webhook`]),
    ];
  });
}
