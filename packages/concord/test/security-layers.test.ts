/**
 * The eight layers of spec §45, each by itself: what it keeps out, and that the same attempt gets through in a build without
 * it. So each of them is on as Concord comes, and none stands only because another one happens to be in the way.
 */
import { createLogger } from "@concert/service-kit";
import pg from "pg";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Concord, Principal } from "../src/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";

const ANNA: Principal = { tenant: "t1", user: "anna", roles: [], permissions: ["buy"] };
const BOB: Principal = { tenant: "t1", user: "bob", roles: [], permissions: [] };
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SECRET = "a-word-that-nobody-may-read";

let postgres: TestPostgres;
let pool: pg.Pool;
beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  pool.on("error", () => undefined);
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

interface Build {
  readonly concord: Concord;
  readonly request: (path: string, init?: RequestInit) => Promise<number>;
  readonly submit: (task: string, payload: object, as?: Principal) => Promise<Settled>;
  readonly problems: () => readonly string[];
  readonly stop: () => Promise<void>;
}
interface Settled {
  readonly commandId: string;
  readonly status: string;
  readonly errorClass: string | null;
  readonly result: unknown;
}

const MODULES = [
  "../src/api/auth.ts",
  "../src/core/policy.ts",
  "../src/core/policy/data-safety.ts",
  "../src/core/redaction.ts",
  "../src/domain/artifacts.ts",
  "../src/postgres/repositories/events.ts",
  "../src/registry/check-connectors.ts",
];
let running: Build | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
  for (const one of MODULES) vi.doUnmock(one);
  vi.resetModules();
});

/** Concord, made anew of its modules as they are now. */
async function build(): Promise<Build> {
  const api = await import("../src/index.ts");
  const { createConcordApp } = await import("../src/api/app.ts");
  const { memoryOverPostgres } = await import("../src/runtime/memory/index.ts");
  const task = {
    description: "A task.",
    inputSchema: { type: "object" },
    result: ({ results }: { results: object }) => ({ ...results }),
  };
  const call = {
    kind: "connector" as const,
    id: "call",
    connector: "vendor",
    operation: "tell",
    input: () => ({}),
  };
  const contracts = api.defineContracts((catalog) => {
    catalog.policy(api.permissionPolicy("may_buy", "buy"));
    catalog.policy(api.anyonePolicy("anyone", "a test"));
    catalog.approvalType({ name: "care", description: "Care.", defaultExpiryMinutes: 5 });
    catalog.policy({
      ...api.anyonePolicy("careful", "a test"),
      approvalTypes: ["care"],
      evaluate: () => ({
        decision: "require_approval",
        reasons: ["somebody has to look"],
        requiredApprovals: [{ approvalType: "care", approver: { kind: "user", name: "fred" } }],
      }),
    });
    catalog.policy(api.dataSafetyPolicy("safe", { outcomes: { pii: "deny" } }));
    catalog.artifactType({ name: "note", description: "A note.", visibility: "requester" });
    catalog.connector({
      name: "vendor",
      connectorType: "test",
      riskLevel: "low",
      auth: { mode: "secret", secretRef: "env:LAYERS_SECRET" },
      operations: {
        tell: {
          description: "Tells what it was given, its secret too.",
          sideEffect: false,
          timeoutMs: 5_000,
          call: async (_input, { secret }) => ({ ok: true, output: { told: secret ?? "" } }),
        },
      },
    });
    catalog.task({ ...task, name: "buy", policies: ["may_buy"], steps: [] });
    catalog.task({ ...task, name: "ask_first", policies: ["careful"], steps: [] });
    catalog.task({ ...task, name: "send", policies: ["anyone", "safe"], steps: [] });
    catalog.task({ ...task, name: "call", policies: ["anyone"], steps: [call] });
    catalog.task({
      ...task,
      name: "write",
      policies: ["anyone"],
      steps: [
        {
          kind: "artifact",
          id: "note",
          artifactType: "note",
          title: () => "Note",
          content: () => ({ text: "mine" }),
        },
      ],
    });
  });
  const concord = api.createConcord({
    databaseUrl: postgres.databaseUrl,
    contracts,
    runtime: memoryOverPostgres,
    secrets: { resolve: async () => SECRET },
    log: pino({ level: "silent" }),
  });
  await concord.start();
  const operatorKeys = [{ key: "anna", principal: ANNA }];
  const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
  const app = createConcordApp(concord, auth, createLogger("test", "silent"));
  const overreaching = api.defineContracts((catalog) => {
    catalog.connector({
      name: "overreaching",
      connectorType: "test",
      riskLevel: "low",
      auth: { mode: "bearer", secretRef: "env:X", scopes: ["things:read"] },
      operations: {
        write: {
          description: "Writes with a credential that may read.",
          sideEffect: false,
          scope: "things:write",
          timeoutMs: 1_000,
          call: async () => ({ ok: true, output: {} }),
        },
      },
    });
  });
  const made: Build = {
    concord,
    request: async (path, init) => (await app.request(path, init)).status,
    submit: async (taskName, payload, principal = ANNA) => {
      const asked = {
        taskName,
        payload,
        principal,
        ingress: "user_request",
        traceId: TRACE,
      } as const;
      const { command } = await concord.commands.submit(asked);
      if (command.status === "waiting_for_approval") return command;
      return concord.commands.settled(
        principal,
        api.encodeId("command", command.commandId),
        20_000,
      );
    },
    problems: () => {
      try {
        api.loadCatalog([overreaching]);
        return [];
      } catch (error) {
        if (error instanceof api.CatalogError) return error.problems;
        throw error;
      }
    },
    stop: () => concord.stop(),
  };
  running = made;
  return made;
}

interface Layer {
  readonly name: string;
  /** Whether an attempt that it is there to stop got through. */
  readonly breached: (built: Build) => Promise<boolean>;
  /** The build without it. */
  readonly without: () => void;
}

const LAYERS: readonly Layer[] = [
  {
    name: "authentication",
    breached: async ({ request }) => (await request("/commands")) !== 401,
    without: () =>
      vi.doMock("../src/api/auth.ts", async (real) => ({
        ...(await real<object>()),
        identify:
          () => async (context: { set: Map<string, unknown>["set"] }, next: () => unknown) => {
            context.set("principal", ANNA);
            await next();
          },
      })),
  },
  {
    name: "authorization",
    breached: async ({ submit, concord }) => {
      const { result } = await submit("write", {});
      const { artifact_id: id } = (result as { note: { artifact_id: string } }).note;
      return concord.artifacts.get(BOB, id).then(
        () => true,
        () => false,
      );
    },
    without: () =>
      vi.doMock("../src/domain/artifacts.ts", async (real) => ({
        ...(await real<object>()),
        maySee: () => true,
      })),
  },
  {
    name: "policy evaluation",
    breached: async ({ submit }) => (await submit("buy", {}, BOB)).status === "succeeded",
    without: () =>
      vi.doMock("../src/core/policy.ts", async (real) => ({
        ...(await real<object>()),
        combineDecisions: () => ({
          decision: "allow",
          reasons: [],
          decidedBy: [],
          requiredApprovals: [],
          redactions: [],
        }),
      })),
  },
  {
    name: "connector scope",
    breached: async ({ problems }) => !problems().some((one) => one.includes('"things:write"')),
    without: () =>
      vi.doMock("../src/registry/check-connectors.ts", async (real) => ({
        ...(await real<object>()),
        connectorProblems: () => [],
      })),
  },
  {
    name: "approval gates",
    breached: async ({ submit }) => (await submit("ask_first", {})).status === "succeeded",
    without: () =>
      vi.doMock("../src/core/policy.ts", async (real) => {
        const whole = await real<typeof import("../src/core/policy.ts")>();
        const combineDecisions: typeof whole.combineDecisions = (all) => {
          const combined = whole.combineDecisions(all);
          if (combined.decision !== "require_approval") return combined;
          return { ...combined, decision: "allow", requiredApprovals: [] };
        };
        return { ...whole, combineDecisions };
      }),
  },
  {
    name: "audit",
    breached: async ({ submit }) => {
      const { commandId } = await submit("buy", {});
      const { rows } = await pool.query(
        "SELECT event_type FROM concord.domain_events WHERE command_id = $1",
        [commandId],
      );
      return rows.length === 0;
    },
    without: () =>
      vi.doMock("../src/postgres/repositories/events.ts", async (real) => ({
        ...(await real<object>()),
        eventRepository: () => ({ append: async () => undefined }),
      })),
  },
  {
    name: "secret isolation",
    breached: async ({ submit }) => JSON.stringify(await submit("call", {})).includes(SECRET),
    without: () =>
      vi.doMock("../src/core/redaction.ts", async (real) => ({
        ...(await real<object>()),
        scrubberOf: () => ({
          text: (value: string) => value,
          json: (value: unknown) => value,
        }),
      })),
  },
  {
    name: "data safety checks",
    breached: async ({ submit }) => {
      const { status } = await submit("send", { text: "write to anna.muster@example.org" });
      return status === "succeeded";
    },
    without: () =>
      vi.doMock("../src/core/policy/data-safety.ts", async (real) => ({
        ...(await real<object>()),
        dataSafetyPolicy: (name: string) => ({
          name,
          version: "0",
          category: "data_safety",
          evaluate: () => ({ decision: "allow", reasons: ["nobody looked"] }),
        }),
      })),
  },
];

test("V-50 the layers are these eight", () => {
  expect(LAYERS.map(({ name }) => name)).toEqual([
    "authentication",
    "authorization",
    "policy evaluation",
    "connector scope",
    "approval gates",
    "audit",
    "secret isolation",
    "data safety checks",
  ]);
});

describe("SEC-1 each layer is on, and is missed when it is not there", () => {
  test("SEC-1 as Concord comes, nothing gets through any of them", async () => {
    const built = await build();
    for (const { name, breached } of LAYERS) {
      expect([name, await breached(built)]).toEqual([name, false]);
    }
  });

  test.each(LAYERS)("SEC-1 without $name, what it is there to stop gets through", async (layer) => {
    layer.without();
    expect(await layer.breached(await build())).toBe(true);
  });
});
