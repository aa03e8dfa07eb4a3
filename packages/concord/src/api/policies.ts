/** Owns the routes about policies: which there are, and what a changed one would have decided. */
import { createRoute, z } from "@hono/zod-openapi";
import { asId, encodeId } from "../core/ids.ts";
import type { CaseDifference, WhatIf } from "../core/policy/what-if.ts";
import type { CombinedDecision } from "../core/policy.ts";
import { POLICY_CATEGORIES, POLICY_OUTCOMES } from "../core/vocabulary.ts";
import type { Concord } from "../domain/face.ts";
import type { PolicySummary } from "../domain/policy-service.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";

const Name = z.string().min(1).max(200);
const Time = z.iso.datetime({ offset: true });

const PolicyView = z
  .object({
    name: z.string(),
    version: z.string(),
    category: z.enum(POLICY_CATEGORIES),
    mode: z.enum(["enforce", "shadow"]).openapi({ description: "shadow: watched, never decides" }),
    language: z.enum(["code", "cel", "cedar"]),
    tasks: z.array(z.string()),
  })
  .openapi("Policy");

const DecisionView = z.object({
  decision: z.enum(POLICY_OUTCOMES),
  reasons: z.array(z.string()),
  decided_by: z.array(z.string()),
  approvals: z.array(z.string()).openapi({ description: "type by kind:name" }),
  redactions: z.array(z.string()),
});

const WhatIfView = z
  .object({
    replayed: z.int(),
    changed: z.int(),
    moves: z.array(
      z.object({
        from: z.enum(POLICY_OUTCOMES),
        to: z.enum(POLICY_OUTCOMES),
        count: z.int(),
      }),
    ),
    differences: z.array(
      z.object({
        command_id: z.string(),
        task_name: z.string(),
        created_at: z.string(),
        inputs: z.enum(["exact", "masked", "changed"]).openapi({
          description: "Whether the replay saw exactly what was judged.",
        }),
        before: DecisionView,
        after: DecisionView,
      }),
    ),
  })
  .openapi("WhatIf");

const WhatIfBody = z
  .strictObject({
    policies: z.array(z.unknown()).max(20).default([]).openapi({
      description: "Policy documents with CEL conditions; one replaces the policy of its name.",
    }),
    removed: z.array(Name).max(50).default([]),
    tasks: z.array(Name).max(50).optional().openapi({
      description: "Tasks that a new policy would be added to; absent: every task replayed.",
    }),
    task_name: Name.optional().openapi({ description: "Replay commands of this task only." }),
    since: Time.optional(),
    until: Time.optional(),
    limit: z.int().min(1).max(1_000).default(200),
  })
  .openapi("PolicyChange", {
    example: {
      policies: [
        {
          name: "hotel.spending_limit",
          version: "2",
          category: "cost",
          rules: [
            {
              when: "facts.total_amount > 300.0",
              decision: "require_approval",
              reason: "more than 300 needs finance",
              approvals: [
                {
                  type: "finance_approval",
                  approver: { kind: "group", name: "finance_approvers" },
                },
              ],
            },
          ],
          otherwise: { decision: "allow", reason: "within the limit" },
        },
      ],
      limit: 200,
    },
  });

const PERSON = [{ operatorKey: [] }, { serviceKey: [], actor: [] }];
const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});

const listRoute = createRoute({
  method: "get",
  path: "/policies",
  operationId: "listPolicies",
  summary: "Policies that are registered, and the tasks each decides on.",
  security: PERSON,
  responses: { 200: json("All of them", z.object({ items: z.array(PolicyView) })), ...refusals() },
});
const whatIfRoute = createRoute({
  method: "post",
  path: "/policies/what-if",
  operationId: "policyWhatIf",
  summary: "What a changed policy would have decided about recorded commands. Changes nothing.",
  security: PERSON,
  request: {
    body: { required: true, content: { "application/json": { schema: WhatIfBody } } },
  },
  responses: {
    200: json("What would differ, newest command first", WhatIfView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "request_too_large",
    ),
  },
});

export function addPolicies(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/policies", identify(auth));
  app.use("/policies/*", identify(auth));
  app.openapi(listRoute, (context) => {
    person(context.get("principal"));
    return context.json({ items: concord.policies.list().map(policyView) }, 200);
  });
  app.openapi(whatIfRoute, async (context) => {
    const { policies, removed, tasks, task_name, since, until, limit } = context.req.valid("json");
    const change = { documents: policies, removed, ...(tasks === undefined ? {} : { tasks }) };
    const filter = {
      limit,
      ...(task_name === undefined ? {} : { taskName: task_name }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    };
    const principal = person(context.get("principal"));
    const found = await answering(concord, () =>
      concord.policies.whatIf(principal, change, filter),
    );
    return context.json(whatIfView(found), 200);
  });
}

function policyView({ name, version, category, mode, language, tasks }: PolicySummary) {
  return { name, version, category, mode, language, tasks: [...tasks] };
}

function whatIfView({ replayed, differences, moves }: WhatIf) {
  return {
    replayed,
    changed: differences.length,
    moves: moves.map((one) => ({ ...one })),
    differences: differences.map(differenceView),
  };
}

function differenceView(one: CaseDifference) {
  return {
    command_id: encodeId("command", asId("command", one.commandId)),
    task_name: one.taskName,
    created_at: one.createdAt,
    inputs: one.inputs,
    before: decisionView(one.before),
    after: decisionView(one.after),
  };
}

function decisionView(one: CombinedDecision) {
  return {
    decision: one.decision,
    reasons: [...one.reasons],
    decided_by: [...one.decidedBy],
    approvals: one.requiredApprovals.map(
      ({ approvalType, approver }) => `${approvalType} by ${approver.kind}:${approver.name}`,
    ),
    redactions: [...one.redactions],
  };
}
