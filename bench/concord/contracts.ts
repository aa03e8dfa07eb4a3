/** The contracts that are measured: two effects that do nothing, allowed, or waiting for a person. */
import {
  anyonePolicy,
  type ConnectorStep,
  defineContracts,
  NO_RETRY,
  type OperationDefinition,
} from "@concert/concord";

const operation: OperationDefinition = {
  description: "Does nothing, at once.",
  sideEffect: true,
  keyTemplate: "nothing:{id}",
  timeoutMs: 10_000,
  retry: NO_RETRY,
  compensation: { notNeeded: "nothing happened" },
  call: async (input) => ({ ok: true, output: input }),
};
const step = (id: string): ConnectorStep => ({
  kind: "connector",
  id,
  connector: "nothing",
  operation: "do",
  effectType: `nothing.${id}`,
  input: ({ payload }) => ({ id: payload["id"] ?? null }),
});

export default defineContracts((catalog) => {
  catalog.policy(anyonePolicy("free", "it is measured"));
  catalog.approvalType({ name: "measured", description: "Measured.", defaultExpiryMinutes: 600 });
  catalog.connector({
    name: "nothing",
    connectorType: "internal",
    riskLevel: "low",
    auth: { mode: "none" },
    operations: { do: operation },
  });
  const task = {
    description: "Two effects that do nothing.",
    inputSchema: {
      type: "object",
      required: ["id"],
      additionalProperties: false,
      properties: { id: { type: "string", maxLength: 100 } },
    },
    policies: ["free"],
    steps: [step("first"), step("second")],
    result: () => ({}),
  } as const;
  catalog.task({ ...task, name: "measured" });
  catalog.task({
    ...task,
    name: "measured_gated",
    approval: { type: "measured", approver: { kind: "group", name: "measurers" } },
  });
});
