import { describe, expect, test } from "vitest";
import { anyonePolicy } from "../core/policies.ts";
import { NO_RETRY } from "../core/retry.ts";
import type { CompensationDefinition, TaskDefinition } from "../domain/tasks.ts";
import type { Catalog } from "./catalog.ts";
import { CatalogError } from "./check-catalog.ts";
import { defineContracts, loadCatalog } from "./define-contracts.ts";

const task: TaskDefinition = {
  name: "write",
  description: "Write.",
  policies: ["anyone"],
  inputSchema: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
  steps: ["one", "two"].map((id) => ({
    kind: "connector" as const,
    id,
    connector: "store",
    operation: "write",
    effectType: id,
    input: () => ({}),
  })),
  result: () => ({}),
};

function problemsOf(change: (catalog: Catalog) => void, compensationDepthMax?: number) {
  const operation = {
    description: "writes",
    sideEffect: true,
    keyTemplate: "w:{id}",
    timeoutMs: 1_000,
    retry: NO_RETRY,
    compensation: { notNeeded: "a test" },
    call: async () => ({ ok: true as const, output: {} }),
  };
  const contracts = defineContracts((catalog) => {
    catalog.policy(anyonePolicy("anyone", "it is a test"));
    catalog.connector({
      name: "store",
      connectorType: "http",
      riskLevel: "low",
      auth: { mode: "none" },
      operations: { write: operation, read: { ...operation, sideEffect: false } },
    });
    catalog.task(task);
    change(catalog);
  });
  try {
    loadCatalog([contracts], compensationDepthMax === undefined ? {} : { compensationDepthMax });
    return [];
  } catch (error) {
    if (error instanceof CatalogError) return error.problems;
    throw error;
  }
}

const undo = (
  name: string,
  of: string,
  more: Partial<CompensationDefinition> = {},
): CompensationDefinition => ({ name, of, connector: "store", operation: "write", ...more });
const stands = (name: string) => ({ name, standsBecause: "nobody minds" });

describe("the graph of compensations", () => {
  test("CMP-2 CMP-9 a pure one, and an impure one whose cascade is declared, pass", () => {
    const problems = problemsOf((catalog) => {
      catalog.compensation(undo("undo_one", "one"));
      catalog.compensation(undo("undo_two", "two", { produces: ["mail"] }));
      catalog.effectType(stands("mail"));
    });
    expect(problems).toEqual([]);
  });

  test("CMP-9 an impure one whose effect nobody answers for is refused", () => {
    const problems = problemsOf((catalog) =>
      catalog.compensation(undo("undo_one", "one", { produces: ["mail"] })),
    );
    expect(problems).toEqual([
      'the compensation "undo_one" causes "mail"; register what undoes that, or why it stands',
    ]);
  });

  test("CMP-4 a chain of two passes, of three is refused, unless that is allowed", () => {
    const chain = (length: number) => (catalog: Catalog) => {
      for (let at = 0; at < length; at += 1) {
        const of = at === 0 ? "one" : `e${at}`;
        catalog.compensation(undo(`undo_${of}`, of, { produces: [`e${at + 1}`] }));
      }
      catalog.effectType(stands(`e${length}`));
    };
    expect(problemsOf(chain(2))).toEqual([]);
    expect(problemsOf(chain(3))).toEqual(['undoing "one" is a chain of 3; at most 2 are allowed']);
    expect(problemsOf(chain(3), 3)).toEqual([]);
  });

  test.each([1, 2, 3])("CMP-5 a circle of %d is refused", (length) => {
    const problems = problemsOf((catalog) => {
      for (let at = 0; at < length; at += 1) {
        const of = at === 0 ? "one" : `e${at}`;
        const produces = [at + 1 === length ? "one" : `e${at + 1}`];
        catalog.compensation(undo(`undo_${of}`, of, { produces }));
      }
    }, 9);
    expect(problems.filter((one) => one.includes("leads back"))).toHaveLength(length);
  });

  test("CMP-6 a counter effect has to be the declared inverse", () => {
    const counters = (inverse: string) => (catalog: Catalog) => {
      catalog.compensation(undo("undo_one", "one", { produces: ["un_one"], counterEffects: true }));
      catalog.effectType({ name: "one", inverse });
      catalog.effectType(stands("un_one"));
    };
    expect(problemsOf(counters("un_one"))).toEqual([]);
    expect(problemsOf(counters("other"))[0]).toContain("not declared its inverse");
    const empty = problemsOf((catalog) =>
      catalog.compensation(undo("undo_one", "one", { counterEffects: true })),
    );
    expect(empty[0]).toContain("produces nothing");
  });

  test("CMP-13 an order that names nothing, or itself by a detour, is refused", () => {
    expect(
      problemsOf((catalog) => catalog.compensation(undo("undo_one", "one", { after: ["x"] }))),
    ).toEqual(['the compensation "undo_one" comes after "x", which is not registered']);
    const circle = problemsOf((catalog) => {
      catalog.compensation(undo("undo_one", "one", { after: ["undo_two"] }));
      catalog.compensation(undo("undo_two", "two", { after: ["undo_one"] }));
    });
    expect(circle.filter((one) => one.includes("after itself"))).toHaveLength(2);
  });

  test("EX-17 what undoes has to exist, to write, and to undo something that is done", () => {
    const problems = problemsOf((catalog) => {
      catalog.compensation(undo("a", "one", { operation: "modify" }));
      catalog.compensation(undo("b", "two", { operation: "read" }));
      catalog.compensation(undo("c", "nothing"));
    });
    expect(problems).toEqual([
      'the compensation "a" uses the unknown store.modify',
      'the compensation "b" uses store.read, which only reads',
      'the compensation "c" undoes "nothing", which no task does',
    ]);
  });

  test("CAN-1 CAN-12 reserved modes and a window without an undoing are refused", () => {
    const reserved = "immediate" as TaskDefinition["cancellationMode"] & string;
    const problems = problemsOf((catalog) => {
      catalog.task({ ...task, name: "a", cancellationMode: reserved });
      catalog.task({ ...task, name: "b", cancelWithinMinutes: 5 });
    });
    expect(problems[0]).toContain('"immediate" is not available');
    expect(problems[1]).toContain("needs cancellationMode");
  });
});
