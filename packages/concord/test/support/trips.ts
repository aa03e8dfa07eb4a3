/** Owns contracts of work in several effects, each with its way back: a trip of flight, stay and mail. */
import {
  anyonePolicy,
  type ConnectorResult,
  type ConnectorStep,
  defineContracts,
  httpJson,
  type JsonObject,
  type OperationDefinition,
  type StepView,
  type TaskDefinition,
} from "../../src/index.ts";

const ledger = httpJson(() => process.env["TEST_LEDGER_URL"] ?? "http://127.0.0.1:9");
const QUICK = { attemptsMax: 3, waitsSeconds: [0.02] };
const inputSchema = {
  type: "object",
  required: ["trip_id"],
  additionalProperties: false,
  properties: { trip_id: { type: "string" }, note: { type: "string" } },
} as const;

const make = (kind: string, lookup = true): OperationDefinition => ({
  description: `Make ${kind}.`,
  sideEffect: true,
  keyTemplate: `${kind}:{trip_id}`,
  timeoutMs: 5_000,
  retry: QUICK,
  compensation: kind === "stone" ? { notNeeded: "stones stay" } : "required",
  call: (input, context) =>
    ledger({ method: "POST", path: "/entries", body: { ...input, kind } }, context),
  ...(lookup ? { lookup: findByKey } : {}),
});

const findByKey: NonNullable<OperationDefinition["lookup"]> = async (key, context) => {
  const found = await ledger({ method: "GET", path: "/entries", query: { key } }, context);
  if (!found.ok) return found;
  const items = found.output["items"];
  const first = Array.isArray(items) ? (items[0] as JsonObject | undefined) : undefined;
  return first === undefined ? undefined : { ok: true, output: first };
};

const undo: OperationDefinition = {
  description: "Take an entry back.",
  sideEffect: true,
  keyTemplate: "undo:{entry_id}",
  timeoutMs: 5_000,
  retry: QUICK,
  compensation: { notNeeded: "it is itself what undoes" },
  call: (input, context) =>
    ledger({ method: "DELETE", path: `/entries/${String(input["entry_id"])}` }, context),
  lookup: async (_key, context, input): Promise<ConnectorResult | undefined> => {
    const path = `/entries/${String(input["entry_id"])}`;
    const found = await ledger({ method: "GET", path }, context);
    return found.ok && found.output["undone"] !== true ? undefined : found;
  },
};

const step = (id: string, ...dependsOn: string[]): ConnectorStep => ({
  kind: "connector",
  id,
  connector: "ledger",
  operation: id,
  effectType: `trip.${id}`,
  dependsOn,
  input: ({ payload }) => ({ trip_id: payload["trip_id"] ?? null }),
});

const KINDS = ["flight", "stay", "mail", "credited", "stone", "mute"] as const;

/** `after` of the mail's way back; a test changes it to see that a changed promise is noticed. */
export const promise = { mailAfter: ["cancel_flight"] as readonly string[] };

const trip = {
  name: "trip",
  description: "Book a trip.",
  inputSchema,
  policies: ["traveller"],
  cancellationMode: "compensate_then_stop",
  cancelWithinMinutes: 60,
  steps: [
    step("flight"),
    step("stay", "flight"),
    step("mail", "stay"),
    {
      kind: "artifact",
      id: "ticket",
      artifactType: "ticket",
      dependsOn: ["mail"],
      title: () => "Ticket",
      content: ({ results }: StepView) => ({ flight: results["flight"] ?? null }),
    },
  ],
  result: ({ results }: StepView) => ({ flight: results["flight"] ?? null }),
} satisfies TaskDefinition;

export default defineContracts((catalog) => {
  catalog.policy(anyonePolicy("traveller", "everybody may travel"));
  catalog.connector({
    name: "ledger",
    connectorType: "http",
    riskLevel: "medium",
    auth: { mode: "none" },
    operations: {
      ...Object.fromEntries(KINDS.map((kind) => [kind, make(kind, kind !== "mute")])),
      undo,
    },
  });
  for (const kind of ["flight", "stay", "mail", "credited", "mute"]) {
    catalog.compensation({
      name: `cancel_${kind}`,
      of: `trip.${kind}`,
      connector: "ledger",
      operation: "undo",
      input: ({ effect }) => ({ entry_id: effect.result["entry_id"] ?? null }),
      // The mail that takes it all back goes out only once the flight is cancelled.
      ...(kind === "mail" ? { after: promise.mailAfter } : {}),
      emitted: ({ credits }) => (Number(credits) > 0 ? ["vendor.credit"] : []),
    });
  }
  catalog.artifactType({ name: "ticket", description: "What a traveller shows." });
  const { cancelWithinMinutes, ...lasting } = trip;
  catalog.task(trip);
  catalog.task({ ...lasting, name: "trip_standing", cancellationMode: "graceful" });
  catalog.task({ ...trip, name: "trip_final", steps: [step("stone")] });
  catalog.task({ ...trip, name: "trip_credited", steps: [step("credited")] });
  catalog.task({ ...lasting, cancelWithinMinutes, name: "trip_mute", steps: [step("mute")] });
  catalog.task({
    ...lasting,
    name: "trip_forgotten",
    result: () => {
      throw new Error("forgot the result");
    },
  });
});
