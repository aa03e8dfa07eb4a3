import { describe, expect, test } from "vitest";
import { anyonePolicy } from "../core/policies.ts";
import { NO_RETRY } from "../core/retry.ts";
import { ARTIFACT_TYPES, INGRESS_TYPES, QUEUES } from "../core/vocabulary.ts";
import type { OperationDefinition } from "../domain/connectors.ts";
import { acceptsIngress, type TaskDefinition } from "../domain/tasks.ts";
import { RUNTIME_CAPABILITIES, type RuntimeCapability } from "../runtime/protocol/index.ts";
import type { Catalog } from "./catalog.ts";
import { CatalogError } from "./check-catalog.ts";
import { defineContracts, loadCatalog } from "./define-contracts.ts";

const write: OperationDefinition = {
  description: "writes",
  sideEffect: true,
  keyTemplate: "w:{id}",
  timeoutMs: 1_000,
  retry: NO_RETRY,
  compensation: { notNeeded: "an upsert is idempotent" },
  call: async () => ({ ok: true, output: {} }),
};
const task: TaskDefinition = {
  name: "write",
  description: "Write.",
  policies: ["anyone"],
  inputSchema: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
  steps: [
    {
      kind: "connector",
      id: "w",
      connector: "store",
      operation: "write",
      effectType: "store.write",
      input: () => ({}),
    },
  ],
  result: () => ({}),
};

function problemsOf(
  change: (catalog: Catalog) => void,
  operation: Partial<OperationDefinition> = {},
  base: TaskDefinition | null = task,
  offers: readonly RuntimeCapability[] = RUNTIME_CAPABILITIES,
): readonly string[] {
  const contracts = defineContracts((catalog) => {
    catalog.policy(anyonePolicy("anyone", "it is a test"));
    catalog.connector({
      name: "store",
      connectorType: "http",
      riskLevel: "low",
      auth: { mode: "none" },
      operations: { write: { ...write, ...operation } },
    });
    if (base !== null) catalog.task(base);
    change(catalog);
  });
  try {
    loadCatalog([contracts], { runtime: { name: "engine", capabilities: new Set(offers) } });
    return [];
  } catch (error) {
    if (error instanceof CatalogError) return error.problems;
    throw error;
  }
}

describe("catalog load", () => {
  test("a sound catalog has no problem", () => {
    expect(problemsOf(() => {})).toEqual([]);
  });

  test("CMP-8 POL-20 every problem is told at once", () => {
    const problems = problemsOf((catalog) => {
      catalog.task({ ...task, name: "a", policies: [] });
      catalog.task({ ...task, name: "b", policies: ["nobody"] });
      catalog.task({
        ...task,
        name: "c",
        approval: { type: "who", approver: { kind: "user", name: "u" } },
      });
      catalog.task({
        ...task,
        name: "d",
        inputSchema: { type: "object", properties: { x: { type: "strin" } } },
      });
    });
    for (const part of ['"a" names no policy', '"nobody"', '"who"', "cannot be compiled"]) {
      expect(problems.some((one) => one.includes(part))).toBe(true);
    }
  });

  test("PLN-4 unknown connectors and operations are refused", () => {
    const stepOf = (connector: string, operation: string) =>
      [
        { kind: "connector", id: "w", connector, operation, effectType: "e", input: () => ({}) },
      ] as const;
    expect(
      problemsOf((c) => c.task({ ...task, name: "x", steps: stepOf("nowhere", "write") }))[0],
    ).toContain("nowhere");
    expect(
      problemsOf((c) => c.task({ ...task, name: "x", steps: stepOf("store", "modify") }))[0],
    ).toContain("modify");
  });

  test("RTY-5 CMP-19 a side effect without key or word on undoing is refused", () => {
    const { keyTemplate: _key, compensation: _word, ...bare } = write;
    const problems = problemsOf((catalog) =>
      catalog.connector({
        name: "bare",
        connectorType: "http",
        riskLevel: "low",
        auth: { mode: "none" },
        operations: { go: bare },
      }),
    );
    expect(problems.some((one) => one.includes("keyTemplate"))).toBe(true);
    expect(problems.some((one) => one.includes("compensation"))).toBe(true);
  });

  test("CMP-3 an effect that requires a compensation needs one registered, and one only", () => {
    const required = { compensation: "required" } as const;
    const undo = { name: "undo", of: "store.write", connector: "store", operation: "write" };
    expect(problemsOf(() => {}, required)[0]).toContain("store.write");
    expect(problemsOf((c) => c.compensation(undo), required)).toEqual([]);
    expect(
      problemsOf((c) => {
        c.compensation(undo);
        c.compensation({ ...undo, name: "again" });
      }, required),
    ).toHaveLength(1);
    expect(problemsOf((c) => c.compensation({ ...undo, of: "nothing" }))[0]).toContain("nothing");
  });

  test("CON-10 a key variable that the payload need not have is refused", () => {
    expect(problemsOf(() => {}, { keyTemplate: "w:{other}" })[0]).toContain("other");
  });

  test("EX-9 a derived key is made of what is always there", () => {
    const keyed = (key: string) => problemsOf(() => {}, {}, { ...task, idempotency: { key } });
    expect(keyed("write:{requester}:{id}:{note?}")).toEqual([]);
    expect(keyed("write:{note}")[0]).toContain('its idempotency key needs "note"');
  });

  test("CON-12 a rate that lets nothing through is refused", () => {
    const limited = (requestsMax: number, perSeconds: number) =>
      problemsOf((catalog) =>
        catalog.connector({
          name: "limited",
          connectorType: "http",
          riskLevel: "low",
          auth: { mode: "none" },
          rateLimit: { requestsMax, perSeconds },
          operations: {},
        }),
      );
    expect(limited(1, 60)).toEqual([]);
    expect(limited(0, 1)[0]).toContain('"limited"');
    expect(limited(1, 0)[0]).toContain('"limited"');
  });

  test("CON-9 a secret in the place of a reference, or anywhere in a declaration, is refused and not repeated", () => {
    const key = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    const problems = problemsOf((catalog) => {
      const plain = { connectorType: "http", riskLevel: "low", operations: {} } as const;
      const raw = key as `env:${string}`;
      catalog.connector({ ...plain, name: "raw", auth: { mode: "bearer", secretRef: raw } });
      catalog.connector({ ...plain, name: "wide", auth: { mode: "bearer", secretRef: "env:A B" } });
      catalog.connector({ ...plain, name: key, auth: { mode: "none" } });
      for (const reference of [
        "env:KEY",
        "file:/run/secrets/key",
        "concordance:tenant:a/b/key",
      ] as const) {
        const auth = { mode: "secret", secretRef: reference } as const;
        catalog.connector({ ...plain, name: `fine ${reference}`, auth });
      }
    });
    expect(problems.filter((one) => one.includes("secretRef"))).toHaveLength(4);
    const others = problems.filter((one) => !one.includes(`connector "${key}"`));
    expect(others.join()).not.toContain(key);
  });

  test("CON-2 CON-13 an operation's schemas are compiled, and its scope is one that was granted", () => {
    const problems = problemsOf((catalog) =>
      catalog.connector({
        name: "scoped",
        connectorType: "http",
        riskLevel: "low",
        auth: { mode: "bearer", secretRef: "env:KEY", scopes: ["read"] },
        operations: {
          fine: { ...write, scope: "read" },
          beyond: { ...write, scope: "admin" },
          broken: { ...write, outputSchema: { type: "strin" } },
        },
      }),
    );
    expect(problems).toHaveLength(2);
    expect(problems.join()).toMatch(/scoped\.beyond.*"admin".*scoped\.broken.*outputSchema/s);
  });

  test("POL-20 what is wrong with policies is told with the rest: unreadable, unknown approvals, only watched", () => {
    const problems = problemsOf((catalog) => {
      const policy = { ...anyonePolicy("shadowy", "r"), mode: "shadow" as const };
      catalog.policy(policy);
      catalog.policy({ ...anyonePolicy("broken", "r"), problems: ["one", "two"] });
      catalog.policy({ ...anyonePolicy("asking", "r"), approvalTypes: ["nobody"] });
      catalog.task({ ...task, name: "watched", policies: ["shadowy"] });
    });
    for (const part of ['broken": one', 'broken": two', '"nobody"', "only policies in shadow"]) {
      expect(problems.some((one) => one.includes(part))).toBe(true);
    }
  });

  test("TOL-6 one name is one tool, however many tasks there are", () => {
    const problems = problemsOf((catalog) => {
      for (const name of ["one", "two"]) catalog.task({ ...task, name, tool: { name: "same" } });
    });
    expect(problems).toEqual(['the tool "same" is registered twice']);
  });

  test("POL-10 a question that is never open, or that the payload does not know, is refused", () => {
    const properties = { a: { type: "string" }, b: { type: "string" } };
    const inputSchema = { type: "object", required: ["a"], properties };
    const asking = (fields: readonly string[], text = "Which?") =>
      problemsOf((c) => c.task({ ...task, inputSchema, asks: [{ fields, text }] })).join();
    expect(asking(["b"])).not.toContain("asks");
    expect(asking(["a"])).toContain('asks for "a", which inputSchema requires from the beginning');
    expect(asking(["c"])).toContain('asks for "c", which inputSchema does not know');
    expect(asking([])).toContain("names no field");
    expect(asking(["b"], "")).toContain("without words");
  });

  test("names are unique", () => {
    expect(problemsOf((c) => c.task(task))[0]).toContain("registered twice");
    expect(problemsOf((c) => c.task({ ...task, name: "agent.turn" }))[0]).toContain("agent.turn");
  });

  test("V-12 CAN-1 reserved cancellation modes, and any other word, are refused", () => {
    const moded = (mode: string) =>
      problemsOf(() => {}, {}, { ...task, cancellationMode: mode as "graceful" });
    for (const mode of ["graceful", "compensate_then_stop"]) expect(moded(mode)).toEqual([]);
    for (const mode of ["immediate", "checkpoint_then_stop", "soon"]) {
      expect(moded(mode)).toEqual([
        `task "write": the cancellation mode "${mode}" is not available`,
      ]);
    }
  });

  test("QUE-5 CMD-8 a queue or an ingress that does not exist is refused", () => {
    const queued = (queue: string) => problemsOf(() => {}, {}, { ...task, queue: queue as never });
    for (const queue of QUEUES) expect(queued(queue)).toEqual([]);
    expect(queued("scheduled_jobs")).toHaveLength(1);
    expect(queued("scheduled_jobs")[0]).toContain(`known: ${QUEUES.join(", ")}`);
    const from = (...ingressTypes: string[]) =>
      problemsOf(() => {}, {}, { ...task, ingressTypes: ingressTypes as never });
    expect(from("api_request", "file_event")).toEqual([]);
    expect(from()).toEqual([]);
    expect(from("api_request", "pigeon")).toEqual([
      'task "write" names the unknown ingress "pigeon"',
    ]);
  });

  test("ART-2 a task writes artifacts of types that are known or registered, once and soundly", () => {
    const writing = (artifactType: string) => ({
      ...task,
      steps: [
        { kind: "artifact", id: "a", artifactType, title: () => "", content: () => ({}) } as const,
      ],
    });
    for (const type of ARTIFACT_TYPES) expect(problemsOf(() => {}, {}, writing(type))).toEqual([]);
    expect(problemsOf(() => {}, {}, writing("minutes"))).toEqual([
      'task "write" writes the unknown artifact type "minutes"; register it',
    ]);
    const minutes = { name: "minutes", description: "What was said." };
    expect(problemsOf((c) => c.artifactType(minutes), {}, writing("minutes"))).toEqual([]);
    const problems = problemsOf((catalog) => {
      catalog.artifactType({ ...minutes, contentSchema: { type: "strin" } });
      catalog.artifactType({ ...minutes, retentionDays: 0 });
    });
    for (const part of ['"minutes" is registered twice', "cannot be compiled", "not above 0"]) {
      expect(problems.some((one) => one.includes(part))).toBe(true);
    }
  });

  test("RTY-8 attempts that could outlast the vendor's memory of a key are refused", () => {
    const retry = { attemptsMax: 3, waitsSeconds: [10, 20] };
    // Three attempts of one second, and the waits between them.
    const remembered = (keyHonouredForSeconds: number) =>
      problemsOf(() => {}, { retry, timeoutMs: 1_000, keyHonouredForSeconds });
    expect(remembered(33)).toEqual([]);
    expect(remembered(32)).toHaveLength(1);
    expect(remembered(32)[0]).toContain("can take 33 s");
    expect(problemsOf(() => {}, { retry, timeoutMs: 86_400_000 })).toEqual([]);
  });
});

test("CMD-12 a task takes what it names, and anything when it names nothing", () => {
  for (const ingress of INGRESS_TYPES) {
    expect(acceptsIngress({}, ingress)).toBe(true);
    expect(acceptsIngress({ ingressTypes: [] }, ingress)).toBe(true);
    const only = { ingressTypes: ["file_event"] } as const;
    expect(acceptsIngress(only, ingress)).toBe(ingress === "file_event");
  }
});

describe("what the runtime has to offer", () => {
  const without = (...missing: readonly RuntimeCapability[]) =>
    RUNTIME_CAPABILITIES.filter((one) => !missing.includes(one));
  const schedule = { name: "nightly", description: "Nightly.", task: "write", cron: "0 3 * * *" };

  test("RUN-4 each gap is told before anything starts, with who needs it", () => {
    const problems = problemsOf(
      (catalog) => {
        catalog.task({ ...task, name: "versioned", requires: ["workflow_versioning"] });
        catalog.schedule({ ...schedule, tenants: ["t1"] });
      },
      { requires: ["effect_interception"] },
      task,
      without("signals", "effect_interception", "schedules", "workflow_versioning"),
    );
    expect(problems).toEqual([
      "every command needs signals, which engine does not offer",
      'task "versioned" needs workflow_versioning, which engine does not offer',
      'operation "store.write" needs effect_interception, which engine does not offer',
      'schedule "nightly" needs schedules, which engine does not offer',
    ]);
  });

  test("CMP-7 compensation by the engine itself is refused where the engine has none", () => {
    const requires = ["saga_compensation_native"] as const;
    expect(problemsOf(() => {}, { requires })).toEqual([]);
    expect(problemsOf(() => {}, { requires }, task, without(...requires))).toEqual([
      'operation "store.write" needs saga_compensation_native, which engine does not offer',
    ]);
  });

  test("SCH-5 a time that is none or never comes, and a task that is none or does not take ticks", () => {
    const scheduled = (more: object) =>
      problemsOf((catalog) => {
        catalog.task({ ...task, name: "by_hand", ingressTypes: ["user_request"] });
        catalog.schedule({ ...schedule, tenants: ["t1"], ...more });
      });
    expect(scheduled({})).toEqual([]);
    expect(scheduled({ cron: "every day" })[0]).toContain('"every day" is no cron text');
    expect(scheduled({ cron: "0 0 30 2 *" })[0]).toContain("never comes");
    expect(scheduled({ task: "nothing" })[0]).toContain('unknown task "nothing"');
    expect(scheduled({ task: "by_hand" })[0]).toContain("does not accept scheduled_trigger");
    const elsewhere = { ...task, queue: "cron_jobs" as never };
    expect(
      problemsOf((c) => c.schedule({ ...schedule, tenants: ["t1"] }), {}, elsewhere)[0],
    ).toContain('"cron_jobs"');
  });
});
