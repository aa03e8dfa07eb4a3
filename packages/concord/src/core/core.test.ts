import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseQueue, executionMode, mapTaskToPrimitives } from "./classify.ts";
import type { PlanStep } from "./command.ts";
import { classifyHttpStatus, isRetryable } from "./errors.ts";
import { decodeId, encodeId, ID_PREFIXES, type IdKind } from "./ids.ts";
import { canonicalJson, type Json, unstorable } from "./json.ts";
import { nextStep, planProblems, stepsBefore } from "./planning.ts";
import { compilePolicy, waitBeforeRetryMs } from "./retry.ts";
import { renderTemplate } from "./template.ts";
import { compileSchema } from "./validation.ts";
import { ERROR_CLASSES, RISK_LEVELS } from "./vocabulary.ts";

const step = (stepId: string, ...dependsOn: string[]): PlanStep => ({
  stepId,
  dependsOn,
  primitive: "connector_call",
  functionName: "c.o",
  metadata: {},
});

describe("classification", () => {
  test("PLN-1 all 2^7 flag combinations map as the spec's table says", () => {
    for (let bits = 0; bits < 128; bits += 1) {
      const on = (bit: number) => (bits & (1 << bit)) !== 0;
      const primitives = mapTaskToPrimitives({
        approvalRequired: on(0),
        asyncRequired: on(1),
        syncAllowed: on(2),
        usesConnector: on(3),
        artifactPossible: on(4),
        memoryWritePossible: on(5),
        notificationRequired: on(6),
      });
      const expected = ["ingress", "command", "context", "policy", "plan"];
      if (on(0)) expected.push("human_approval");
      if (on(1)) expected.push("queue", "async_task");
      else if (on(2)) expected.push("sync_function");
      else expected.push("queue", "async_task");
      for (const [bit, name] of [
        [3, "connector_call"],
        [4, "artifact_write"],
        [5, "memory_write"],
        [6, "notification"],
      ] as const) {
        if (on(bit)) expected.push(name);
      }
      expect(primitives).toEqual([...expected, "state_transition", "audit"]);
    }
  });

  test("PLN-7 a gate, a write outside or async_required make a sync task async", () => {
    const base = {
      syncAllowed: true,
      asyncRequired: false,
      gated: false,
      writesOutside: false,
      riskLevel: "low",
    } as const;
    expect(executionMode(base)).toBe("sync");
    for (const one of ["asyncRequired", "gated", "writesOutside"] as const) {
      expect(executionMode({ ...base, [one]: true })).toBe("async");
    }
  });

  test("PLN-6 every combination: within the request only what may, is of low risk, asks nobody and writes nothing outside", () => {
    for (let bits = 0; bits < 16; bits += 1) {
      const on = (bit: number) => (bits & (1 << bit)) !== 0;
      for (const riskLevel of RISK_LEVELS) {
        const facts = {
          syncAllowed: on(0),
          asyncRequired: on(1),
          gated: on(2),
          writesOutside: on(3),
          riskLevel,
        };
        expect([facts, executionMode(facts)]).toEqual([
          facts,
          bits === 1 && riskLevel === "low" ? "sync" : "async",
        ]);
      }
    }
  });

  test("QUE-2 QUE-3 queues by prefix, an explicit one first", () => {
    expect(chooseQueue("connector.call")).toBe("connector_calls");
    expect(chooseQueue("agent.run")).toBe("agent_runs");
    expect(chooseQueue("agent.spawn")).toBe("swarm_children");
    expect(chooseQueue("notification.send")).toBe("notifications");
    expect(chooseQueue("report.make")).toBe("concord_default");
    expect(chooseQueue("connector.call", "high_risk_operations")).toBe("high_risk_operations");
  });
});

describe("plans", () => {
  test("PLN-4 a repeated id, an unknown dependency and a cycle are each named", () => {
    expect(planProblems([step("a"), step("a")])).toEqual(['step id "a" is used twice']);
    expect(planProblems([step("a", "x")])[0]).toContain('"x"');
    expect(planProblems([step("a", "b"), step("b", "a")])).toHaveLength(2);
    expect(planProblems([step("a"), step("b", "a")])).toEqual([]);
  });

  /** Steps 0…n-1, each depending on earlier ones only. */
  const acyclic = fc
    .array(fc.array(fc.nat({ max: 20 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
    .map((wishes) =>
      wishes.map((wish, at) =>
        step(String(at), ...new Set(wish.filter((one) => one < at).map(String))),
      ),
    );

  test("PLN-4 a plan without a circle is sound in any order of its steps, and runs each step once, dependencies first", () => {
    fc.assert(
      fc.property(
        acyclic.chain((steps) => fc.shuffledSubarray(steps, { minLength: steps.length })),
        (steps) => {
          expect(planProblems(steps)).toEqual([]);
          const done = new Set<string>();
          for (let next = nextStep({ steps }, done); next; next = nextStep({ steps }, done)) {
            expect(next.dependsOn.every((id) => done.has(id))).toBe(true);
            expect(done.has(next.stepId)).toBe(false);
            done.add(next.stepId);
          }
          expect(done.size).toBe(steps.length);
        },
      ),
    );
  });

  test("PLN-4 one edge back makes a circle, and every step on it is named", () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), (steps, pick) => {
        const last = steps.at(-1);
        if (last === undefined || last.dependsOn.length === 0) return;
        const target = last.dependsOn[pick % last.dependsOn.length];
        const closed = steps.map((one) =>
          one.stepId === target ? step(one.stepId, ...one.dependsOn, last.stepId) : one,
        );
        const problems = planProblems(closed);
        expect(problems).toContain(`step "${last.stepId}" depends on itself`);
        expect(problems).toContain(`step "${target}" depends on itself`);
      }),
    );
  });

  test("ART-5 what was done for a step: all it depends on, or what is listed before it", () => {
    const steps = [step("a"), step("b", "a"), step("c"), step("d", "b"), step("e")];
    expect(stepsBefore(steps, "d")).toEqual(["a", "b"]);
    expect(stepsBefore(steps, "e")).toEqual(["a", "b", "c", "d"]);
    expect(stepsBefore(steps, "a")).toEqual([]);
    expect(stepsBefore(steps, "nothing")).toEqual([]);
    expect(stepsBefore([step("x", "y"), step("y", "x")], "x")).toEqual(["x", "y"]);
  });

  test("the next step is the first whose dependencies are done", () => {
    const plan = { steps: [step("b", "a"), step("a")] };
    expect(nextStep(plan, new Set())?.stepId).toBe("a");
    expect(nextStep(plan, new Set(["a"]))?.stepId).toBe("b");
    expect(nextStep(plan, new Set(["a", "b"]))).toBeUndefined();
  });
});

describe("ids, json, errors, retry", () => {
  test("CMD-5 the two forms of an id convert losslessly, and only for their own kind", () => {
    const kinds = Object.keys(ID_PREFIXES) as IdKind[];
    fc.assert(
      fc.property(fc.uuid(), fc.constantFrom(...kinds), (uuid, kind) => {
        const outside = encodeId(kind, uuid);
        expect(outside).toMatch(/^[a-z]+_[0-9a-f]{32}$/);
        for (const other of kinds) {
          expect(decodeId(other, outside)).toBe(other === kind ? uuid : undefined);
        }
      }),
    );
    expect(decodeId("command", "cmd_1")).toBeUndefined();
    expect(decodeId("command", `cmd_${"A".repeat(32)}`)).toBeUndefined();
  });

  test("CMD-15 equal values have one canonical text, whatever the order of keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const backwards = Object.fromEntries(Object.entries(object).reverse());
        expect(canonicalJson(backwards as Json)).toBe(canonicalJson(object as Json));
      }),
    );
    expect(canonicalJson({ a: 1, b: 2 })).not.toBe(canonicalJson({ a: 2, b: 1 }));
  });

  test("what Postgres cannot store is found and named", () => {
    expect(unstorable({ a: ["x\u0000"] })).toContain("(body).a.0");
    expect(unstorable({ a: "\ud800" })).toContain("surrogate");
    expect(unstorable({ a: Number.POSITIVE_INFINITY })).toContain("finite");
    expect(unstorable({ a: ["ok", "😀", null, 1.5, true] })).toBeUndefined();
    let deep: unknown = 1;
    for (let level = 0; level < 100; level += 1) deep = [deep];
    expect(unstorable(deep)).toContain("nested");
  });

  test("ERR-2 exactly four classes are retryable", () => {
    expect(ERROR_CLASSES.filter(isRetryable)).toEqual([
      "transient_connector_error",
      "rate_limited",
      "timeout",
      "temporary_database_error",
    ]);
  });

  test.each([
    [500, "transient_connector_error"],
    [503, "transient_connector_error"],
    [429, "rate_limited"],
    [400, "validation_error"],
    [422, "validation_error"],
    [401, "permanent_connector_error"],
    [404, "permanent_connector_error"],
    [409, "permanent_connector_error"],
  ])("ERR-3 HTTP %d is %s", (status, expected) => {
    expect(classifyHttpStatus(status)).toBe(expected);
  });

  test("RTY-3 RTY-4 EX-21 X-13 four attempts wait 30, 120, 600; a final class never repeats", () => {
    const policy = compilePolicy("c.o", { attemptsMax: 4 });
    const waits = [1, 2, 3, 4].map((attempt) => waitBeforeRetryMs(policy, attempt, "timeout"));
    expect(waits).toEqual([30_000, 120_000, 600_000, undefined]);
    expect(
      waitBeforeRetryMs({ ...policy, attemptsMax: 10 }, 1, "validation_error"),
    ).toBeUndefined();
    expect(waitBeforeRetryMs({ ...policy, attemptsMax: 9, waitsSeconds: [1] }, 5, "timeout")).toBe(
      1_000,
    );
  });

  test("CON-10 a key template is filled from the payload, and a missing variable is named", () => {
    expect(renderTemplate("book:{id}:{n}", { id: "x", n: 2 })).toEqual({ key: "book:x:2" });
    expect(renderTemplate("book:{id}", {})).toEqual({ missing: "id" });
    expect(renderTemplate("book:{id}", { id: "" })).toEqual({ missing: "id" });
  });

  test("CMD-9 a payload is checked with readable issues", () => {
    const validate = compileSchema({
      type: "object",
      required: ["city"],
      additionalProperties: false,
      properties: { city: { type: "string" }, day: { type: "string", format: "date" } },
    });
    expect(validate({ city: "Zürich", day: "2026-01-31" })).toEqual([]);
    expect(validate({})[0]?.message).toContain("city");
    expect(validate({ city: "x", day: "2026-13-01" })[0]?.path).toBe("/day");
    expect(validate({ city: "x", town: 1 })[0]?.message).toContain("town");
  });
});
