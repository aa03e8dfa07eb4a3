/** Owns a contract whose vendor takes three requests an hour. */
import { anyonePolicy, defineContracts, httpJson } from "../../src/index.ts";

const vendor = httpJson(() => process.env["TEST_VENDOR_URL"] ?? "http://127.0.0.1:9");

export default defineContracts((catalog) => {
  catalog.policy(anyonePolicy("anyone", "it only reads"));
  catalog.connector({
    name: "shop",
    connectorType: "http",
    riskLevel: "low",
    auth: { mode: "bearer", secretRef: "env:TEST_VENDOR_KEY" },
    rateLimit: { requestsMax: 3, perSeconds: 3_600 },
    operations: {
      price: {
        description: "Ask a price.",
        sideEffect: false,
        timeoutMs: 5_000,
        retry: { attemptsMax: 1, waitsSeconds: [] },
        call: ({ item = "" }, context) =>
          vendor({ method: "GET", path: "/prices", query: { item: String(item) } }, context),
      },
    },
  });
  catalog.task({
    name: "look",
    description: "Looks a price up.",
    inputSchema: {
      type: "object",
      required: ["item"],
      properties: { item: { type: "string" } },
    },
    policies: ["anyone"],
    steps: [
      {
        kind: "connector",
        id: "price",
        connector: "shop",
        operation: "price",
        input: ({ payload }) => payload,
      },
    ],
    result: ({ results }) => results,
  });
});
