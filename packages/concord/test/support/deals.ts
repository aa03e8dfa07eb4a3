/** Owns contracts that ask people in every way: a quorum, a deadline that fails, an escalation, more input. */
import { anyonePolicy, defineContracts, type JsonObject, type StepView } from "../../src/index.ts";

const inputSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    item: { type: "string" },
    reason: { type: "string" },
    price: { type: "number", minimum: 0 },
    signatory: { type: "string", minLength: 2, maxLength: 80 },
  },
} as const;

export default defineContracts((catalog) => {
  catalog.policy(anyonePolicy("dealer", "everybody may deal"));
  catalog.policy({
    name: "needs_reason",
    version: "1",
    category: "approval_requirement",
    evaluate: ({ action }) =>
      action.payload["reason"] === undefined
        ? { decision: "require_more_input", reasons: ["say why: reason is missing"] }
        : { decision: "allow", reasons: ["it says why"] },
  });
  catalog.artifactType({ name: "contract", description: "What was agreed." });
  const group = { kind: "group", name: "board" } as const;
  catalog.approvalType({
    name: "two_of_board",
    description: "Two people of the board.",
    defaultExpiryMinutes: 60,
    quorum: 2,
  });
  catalog.approvalType({
    name: "one_of_board",
    description: "One of the board; the boss after ten minutes.",
    defaultExpiryMinutes: 60,
    escalation: { afterMinutes: 10, to: { kind: "user", name: "boss" } },
    requiredFields: ["Item"],
    onExpired: "failed",
  });
  catalog.approvalType({
    name: "yes_or_no",
    description: "No changes.",
    defaultExpiryMinutes: 60,
    decisionValues: ["approved", "rejected"],
  });
  const deal = {
    inputSchema,
    policies: ["dealer"],
    steps: [
      {
        kind: "artifact",
        id: "contract",
        artifactType: "contract",
        title: () => "Contract",
        content: ({ payload }: StepView) => payload,
      },
    ],
    result: ({ payload }: { payload: JsonObject }) => payload,
    review: ({ payload }: { payload: JsonObject }) => ({
      action: "Sign a contract",
      why: "It binds us.",
      affected: [
        {
          label: payload["item"] === "nameless" ? "Thing" : "Item",
          value: payload["item"] ?? null,
        },
      ],
      afterApproval: "It is signed.",
    }),
    preview: ({ payload }: { payload: JsonObject }) => ({
      title: `Draft for ${String(payload["item"])}`,
      content: { text: `We buy ${String(payload["item"])}`, price: payload["price"] ?? null },
    }),
  } as const;
  for (const type of ["two_of_board", "one_of_board", "yes_or_no"]) {
    catalog.task({
      ...deal,
      name: `deal_${type}`,
      description: "Sign.",
      approval: { type, approver: group },
    });
  }
  catalog.task({
    ...deal,
    name: "deal_explained",
    description: "Sign with a reason.",
    policies: ["dealer", "needs_reason"],
    inputWithinMinutes: 30,
    tool: { name: "deal_explained" },
  });
  catalog.task({
    ...deal,
    name: "deal_waiting",
    description: "Sign with a reason; an agent's call waits for it.",
    policies: ["dealer", "needs_reason"],
    tool: { name: "deal_waiting", waitsForPerson: true },
  });
  catalog.task({
    ...deal,
    name: "deal_signed",
    description: "Sign in somebody's name.",
    inputWithinMinutes: 30,
    asks: [
      {
        fields: ["signatory"],
        text: ({ payload }) => `Who signs for ${String(payload["item"])}?`,
        when: ({ payload }) => payload["item"] !== "pencil",
      },
    ],
    tool: { name: "deal_signed" },
  });
  catalog.task({ ...deal, name: "note", description: "Just write it down." });
});
