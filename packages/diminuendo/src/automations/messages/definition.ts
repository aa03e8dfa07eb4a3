/** Owns whether a definition can be kept: what core/check-definition.ts says, and what only the tenant's data can say. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import type { AutomationDefinition, Problem } from "../../protocol/index.ts";
import { Refusal } from "../../security/Refusal.ts";
import { sessionFor } from "../../session/access.ts";
import { PodiumClient } from "../../upstream/PodiumClient.ts";
import { madeFrom } from "../core/blueprints.ts";
import { checkDefinition } from "../core/check-definition.ts";
import { findBlueprint } from "./access.ts";
import { webhookProblems } from "./outside.ts";

/** The definition with its defaults, or a refusal that tells every problem. */
export const definitionOf = Effect.fnUntraced(function* (actor: Actor, given: unknown) {
  const checked = checkDefinition(given, yield* Clock.currentTimeMillis);
  if (!checked.ok) return yield* invalid(checked.problems);
  const { definition } = checked;
  const problems = yield* tenantProblems(actor, definition);
  return problems.length === 0 ? definition : yield* invalid(problems);
});

/** A definition together with the blueprint it is made from, if it names one. */
export const wholeDefinition = Effect.fnUntraced(function* (
  actor: Actor,
  message: { readonly definition: unknown; readonly blueprintId?: string },
) {
  const { blueprintId, definition: given } = message;
  const blueprint = blueprintId === undefined ? null : yield* findBlueprint(actor, blueprintId);
  const asked = blueprint === null ? given : madeFrom(blueprint, given);
  return { definition: yield* definitionOf(actor, asked), blueprint };
});

const tenantProblems = Effect.fnUntraced(function* (
  actor: Actor,
  { execution, delivery }: AutomationDefinition,
) {
  const problems: Problem[] = [];
  if (execution.mode === "main") {
    problems.push(...(yield* sessionProblems(actor, "execution.sessionId", execution.sessionId)));
  } else {
    const known = yield* (yield* PodiumClient).typesInsteadOf(execution.agentType);
    const problem = `names no agent type; known: ${known?.join(", ")}`;
    if (known !== null) problems.push({ path: "execution.agentType", problem });
  }
  if (delivery.sessionId !== null) {
    problems.push(...(yield* sessionProblems(actor, "delivery.sessionId", delivery.sessionId)));
  }
  problems.push(...(yield* webhookProblems(actor, { delivery })));
  return problems;
});

const sessionProblems = (actor: Actor, path: string, sessionId: string) =>
  sessionFor(actor, "session:write", sessionId).pipe(
    Effect.map(({ isArchived }) =>
      isArchived ? [{ path, problem: "names a session that is archived; unarchive it first" }] : [],
    ),
    Effect.catchTag("Refusal", ({ message }) => Effect.succeed([{ path, problem: message }])),
  );

const TOLD = 3;

export function invalid(problems: readonly Problem[]): Refusal {
  const first = problems.slice(0, TOLD).map(({ path, problem }) => `${path} ${problem}`);
  const rest = problems.length > TOLD ? `; and ${problems.length - TOLD} more in problems` : "";
  return new Refusal({
    code: "InvalidAutomation",
    message: `${first.join("; ")}${rest}.`,
    problems,
  });
}
