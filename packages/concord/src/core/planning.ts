/** Owns making and checking plans (PLN-2…PLN-4). Pure: ids and time are passed in. */
import type { ExecutionPlan, PlanStep } from "./command.ts";

/** Every reason why `steps` cannot be run, in plain words; empty when they can. */
export function planProblems(
  steps: readonly Pick<PlanStep, "stepId" | "dependsOn">[],
): readonly string[] {
  const ids = steps.map((step) => step.stepId);
  const duplicates = ids.filter((id, index) => ids.indexOf(id) !== index);
  const unknown = steps.flatMap((step) =>
    step.dependsOn
      .filter((id) => !ids.includes(id))
      .map((id) => `step "${step.stepId}" depends on "${id}", which is not in the plan`),
  );
  const cyclic = ids.filter((id) => reaches(steps, id, id));
  return [
    ...duplicates.map((id) => `step id "${id}" is used twice`),
    ...unknown,
    ...cyclic.map((id) => `step "${id}" depends on itself`),
  ];
}

/** The next step that is not done and whose dependencies are; undefined when all are done. */
export function nextStep(
  plan: Pick<ExecutionPlan, "steps">,
  done: ReadonlySet<string>,
): PlanStep | undefined {
  return plan.steps.find(
    (step) => !done.has(step.stepId) && step.dependsOn.every((id) => done.has(id)),
  );
}

function reaches(
  steps: readonly Pick<PlanStep, "stepId" | "dependsOn">[],
  from: string,
  target: string,
  seen: ReadonlySet<string> = new Set(),
): boolean {
  const step = steps.find((one) => one.stepId === from);
  if (step === undefined || seen.has(from)) return false;
  return step.dependsOn.some(
    (id) => id === target || reaches(steps, id, target, new Set(seen).add(from)),
  );
}

/** The steps that had to be done for `stepId`: what it depends on, or all listed before it when it names none. */
export function stepsBefore(
  steps: readonly Pick<PlanStep, "stepId" | "dependsOn">[],
  stepId: string,
): readonly string[] {
  const at = steps.findIndex((one) => one.stepId === stepId);
  const own = steps[at];
  if (own === undefined) return [];
  if (own.dependsOn.length === 0) return steps.slice(0, at).map((one) => one.stepId);
  const before = new Set<string>();
  const open = [...own.dependsOn];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (before.has(id)) continue;
    before.add(id);
    open.push(...(steps.find((one) => one.stepId === id)?.dependsOn ?? []));
  }
  return steps.map((one) => one.stepId).filter((id) => before.has(id));
}
