/**
 * Owns refusing a graph of compensations that could not be carried out (spec §31.2, CMP-3…CMP-9, CMP-13, CMP-19):
 * missing, dangling, too deep, in a circle, not the declared inverse, an undeclared cascade, an impossible order.
 */
import type { OperationDefinition } from "../domain/connectors.ts";
import type { CompensationDefinition } from "../domain/tasks.ts";
import type { Registrations } from "./catalog.ts";

export const COMPENSATION_DEPTH_MAX = 2;

/** Every problem of the graph, in plain words. */
export function compensationProblems(
  registered: Registrations,
  depthMax: number,
): readonly string[] {
  const { compensations } = registered;
  return [
    ...missing(registered),
    ...compensations.flatMap((one) => ownProblems(one, registered)),
    ...circles(compensations),
    ...tooDeep(compensations, depthMax),
    ...impossibleOrder(compensations),
  ];
}

interface TaskEffect {
  readonly type: string;
  readonly operation: OperationDefinition | undefined;
}

function taskEffects({ tasks, connectors }: Registrations): readonly TaskEffect[] {
  return tasks.flatMap((task) =>
    task.steps.flatMap((step) => {
      if (step.kind !== "connector" || step.effectType === undefined) return [];
      const connector = connectors.find((one) => one.name === step.connector);
      return [{ type: step.effectType, operation: connector?.operations[step.operation] }];
    }),
  );
}

/** CMP-3: what says it can be undone has something that undoes it. */
function missing(registered: Registrations): readonly string[] {
  const required = taskEffects(registered)
    .filter(({ operation }) => operation?.compensation === "required")
    .filter(({ type }) => !registered.compensations.some((one) => one.of === type))
    .map(({ type }) => `the effect "${type}" requires a compensation and none is registered`);
  return [...new Set(required)];
}

function ownProblems(one: CompensationDefinition, registered: Registrations): readonly string[] {
  const at = `the compensation "${one.name}"`;
  const { connectors, compensations, effectTypes } = registered;
  const operation = connectors.find((known) => known.name === one.connector)?.operations[
    one.operation
  ];
  const effects = new Set([
    ...taskEffects(registered).map(({ type }) => type),
    ...compensations.flatMap((other) => other.produces ?? []),
  ]);
  const names = compensations.map((other) => other.name);
  const inverse = effectTypes.find((type) => type.name === one.of)?.inverse;
  const wrongInverse =
    one.counterEffects === true ? (one.produces ?? []).filter((type) => type !== inverse) : [];
  const undeclared =
    one.counterEffects === true
      ? []
      : (one.produces ?? []).filter((type) => !isAnswered(type, registered));
  return [
    ...(effects.has(one.of) ? [] : [`${at} undoes "${one.of}", which no task does`]),
    ...(operation === undefined
      ? [`${at} uses the unknown ${one.connector}.${one.operation}`]
      : operation.sideEffect
        ? []
        : [`${at} uses ${one.connector}.${one.operation}, which only reads`]),
    ...wrongInverse.map(
      (type) => `${at} says it counters "${one.of}", but "${type}" is not declared its inverse`,
    ),
    ...(one.counterEffects === true && (one.produces ?? []).length === 0
      ? [`${at} says it counters "${one.of}", but produces nothing`]
      : []),
    ...undeclared.map(
      (type) => `${at} causes "${type}"; register what undoes that, or why it stands`,
    ),
    ...(one.after ?? [])
      .filter((name) => !names.includes(name))
      .map((name) => `${at} comes after "${name}", which is not registered`),
  ];
}

/** CMP-9: an effect that undoing causes is itself undone, or stands for a stated reason. */
function isAnswered(type: string, { compensations, effectTypes }: Registrations): boolean {
  return (
    compensations.some((one) => one.of === type) ||
    effectTypes.some((one) => one.name === type && one.standsBecause !== undefined)
  );
}

/** CMP-5: effect → what undoes it → what that causes must never come back to where it began. */
function circles(compensations: readonly CompensationDefinition[]): readonly string[] {
  return compensations
    .filter((one) => reachable(one, compensations).has(one.of))
    .map((one) => `the compensation "${one.name}" leads back to "${one.of}"`);
}

/** Everything that undoing with `start` may cause, directly or further on. */
function reachable(
  start: CompensationDefinition,
  compensations: readonly CompensationDefinition[],
): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = [...(start.produces ?? [])];
  for (let type = open.pop(); type !== undefined; type = open.pop()) {
    if (seen.has(type)) continue;
    seen.add(type);
    const next = type;
    open.push(
      ...compensations.filter((one) => one.of === next).flatMap((one) => one.produces ?? []),
    );
  }
  return seen;
}

/** CMP-4: an undoing that needs an undoing that needs an undoing is not understood by anybody. */
function tooDeep(
  compensations: readonly CompensationDefinition[],
  depthMax: number,
): readonly string[] {
  const depth = (one: CompensationDefinition, path: readonly string[]): number => {
    if (path.includes(one.name)) return 0;
    const below = compensations
      .filter((other) => (one.produces ?? []).includes(other.of))
      .map((other) => depth(other, [...path, one.name]));
    return 1 + Math.max(0, ...below);
  };
  return compensations
    .map((one) => ({ one, deep: depth(one, []) }))
    .filter(({ deep }) => deep > depthMax)
    .map(
      ({ one, deep }) =>
        `undoing "${one.of}" is a chain of ${deep}; at most ${depthMax} are allowed`,
    );
}

function impossibleOrder(compensations: readonly CompensationDefinition[]): readonly string[] {
  const after = (name: string) => compensations.find((one) => one.name === name)?.after ?? [];
  const comesAfterItself = (start: string): boolean => {
    const seen = new Set<string>();
    const open = [...after(start)];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (name === start) return true;
      if (seen.has(name)) continue;
      seen.add(name);
      open.push(...after(name));
    }
    return false;
  };
  return compensations
    .filter((one) => comesAfterItself(one.name))
    .map((one) => `the compensation "${one.name}" has to come after itself`);
}
