/** Owns the contracts of the tests: look up a price, buy an item (gated above 500.00), and two that misbehave. */
import {
  anyonePolicy,
  type ConnectorResult,
  ContractFailure,
  defineContracts,
  httpJson,
  type JsonObject,
  permissionPolicy,
  rateLimitPolicy,
  spendingLimitPolicy,
} from "../../src/index.ts";

const vendor = httpJson(() => process.env["TEST_VENDOR_URL"] ?? "http://127.0.0.1:9");
const QUICK = { attemptsMax: 4, waitsSeconds: [0.05, 0.1] };
const input = {
  type: "object",
  required: ["order_id", "item", "amount"],
  additionalProperties: false,
  properties: {
    order_id: { type: "string", minLength: 1, maxLength: 100 },
    item: { type: "string", minLength: 1 },
    amount: { type: "number", minimum: 0 },
  },
} as const;

export default defineContracts((catalog) => {
  catalog.policy(permissionPolicy("may_buy", "buy"));
  catalog.policy(anyonePolicy("anyone", "it only reads"));
  catalog.policy({
    name: "throws",
    version: "1",
    category: "cost",
    evaluate: () => {
      throw new Error("the rates are missing");
    },
  });
  catalog.policy(
    spendingLimitPolicy("limit", {
      limit: 500,
      currency: "EUR",
      approvalType: "purchase",
      approver: { kind: "group", name: "finance" },
      expiresInMinutes: 60,
      spendOf: ({ amount }) =>
        typeof amount === "number" ? { amount, currency: "EUR" } : undefined,
    }),
  );
  catalog.artifactType({ name: "receipt", description: "What was bought." });
  catalog.approvalType({ name: "purchase", description: "A purchase.", defaultExpiryMinutes: 60 });
  catalog.connector({
    name: "shop",
    connectorType: "http",
    riskLevel: "medium",
    auth: { mode: "bearer", secretRef: "env:TEST_VENDOR_KEY" },
    operations: {
      price: {
        description: "Ask a price.",
        sideEffect: false,
        timeoutMs: 5_000,
        retry: QUICK,
        call: (query, context) =>
          vendor(
            {
              method: "GET",
              path: "/prices",
              query: { item: String(query["item"]), amount: Number(query["amount"]) },
            },
            context,
          ),
      },
      buy: {
        description: "Buy an item.",
        sideEffect: true,
        keyTemplate: "buy:{order_id}",
        timeoutMs: 5_000,
        retry: QUICK,
        compensation: { notNeeded: "the shop takes everything back" },
        call: (body, context) => vendor({ method: "POST", path: "/purchases", body }, context),
        lookup: async (key, context): Promise<ConnectorResult | undefined> => {
          const found = await vendor(
            { method: "GET", path: "/purchases", query: { key } },
            context,
          );
          if (!found.ok) return found;
          const items = found.output["items"];
          const first = Array.isArray(items) ? (items[0] as JsonObject | undefined) : undefined;
          return first === undefined ? undefined : { ok: true, output: first };
        },
      },
    },
  });
  catalog.task({
    name: "price",
    description: "Look up a price.",
    inputSchema: input,
    syncAllowed: true,
    policies: ["anyone"],
    steps: [
      {
        kind: "connector",
        id: "ask",
        connector: "shop",
        operation: "price",
        input: ({ payload }) => payload,
      },
    ],
    result: ({ results }) => ({ price: results["ask"] ?? null }),
    tool: { name: "price" },
  });
  const buySteps = [
    {
      kind: "connector",
      id: "buy",
      connector: "shop",
      operation: "buy",
      effectType: "shop.buy",
      input: ({ payload }: { payload: JsonObject }) => ({ item: payload["item"] ?? null }),
    },
    {
      kind: "artifact",
      id: "receipt",
      artifactType: "receipt",
      dependsOn: ["buy"],
      title: () => "Receipt",
      content: ({ results }: { results: JsonObject }) => ({ bought: results["buy"] ?? null }),
    },
  ] as const;
  const buy = {
    description: "Buy an item.",
    inputSchema: input,
    gatherFacts: async (payload: JsonObject) => {
      if (payload["item"] === "unknown")
        throw new ContractFailure("validation_error", "no such item");
      return { amount: payload["amount"] ?? null };
    },
    steps: buySteps,
    result: ({ results }: { results: JsonObject }) => ({
      bought: results["buy"] ?? null,
      receipt: results["receipt"] ?? null,
    }),
  };
  catalog.task({ ...buy, name: "buy", policies: ["may_buy", "limit"], tool: { name: "buy" } });
  catalog.policy(
    rateLimitPolicy("sparingly", {
      commandsMax: 2,
      perSeconds: 3_600,
      countOf: ({ recent }) => (typeof recent === "number" ? recent : undefined),
    }),
  );
  catalog.task({
    ...buy,
    name: "order",
    policies: ["may_buy", "limit"],
    idempotency: { key: "order:{order_id}" },
    tool: { name: "order" },
  });
  catalog.task({
    ...buy,
    name: "order_sparingly",
    policies: ["may_buy", "sparingly"],
    idempotency: { key: "order_sparingly:{order_id}" },
    gatherFacts: async (_payload, read) => ({ recent: await read.recentCommands(3_600) }),
  });
  catalog.task({
    name: "offer",
    description: "Ask for an offer that an order uses up.",
    inputSchema: input,
    syncAllowed: true,
    policies: ["anyone"],
    idempotency: {
      key: "offer:{requester}:{order_id}",
      holdsForSeconds: 60,
      spentBy: { commandType: "order", key: "order:{order_id}" },
    },
    steps: [
      {
        kind: "connector",
        id: "ask",
        connector: "shop",
        operation: "price",
        input: ({ payload }) => payload,
      },
    ],
    result: ({ payload }) => ({ order_id: payload["order_id"] ?? null }),
  });
  catalog.task({
    ...buy,
    name: "buy_unexplained",
    policies: ["may_buy", "limit"],
    review: () => ({ action: "Buy", why: "", affected: [], afterApproval: "It is bought." }),
  });
  catalog.task({ ...buy, name: "buy_unjudged", policies: ["may_buy", "throws"] });
  catalog.task({
    ...buy,
    name: "buy_forgetful",
    policies: ["may_buy"],
    result: () => {
      throw new Error("forgot the result");
    },
  });
});
