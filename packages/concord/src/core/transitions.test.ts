import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canMoveArtifact,
  canMoveEffect,
  canResolveApproval,
  canTransition,
  NO_FACTS,
  type TransitionFacts,
} from "./transitions.ts";
import {
  APPROVAL_STATUSES,
  ARTIFACT_STATUSES,
  COMMAND_STATUSES,
  type CommandStatus,
  EFFECT_STATUSES,
} from "./vocabulary.ts";

/** The 35 edges of spec §12, written out by hand so that the table has something to disagree with. */
const SPEC = `created>validated created>failed created>cancelled validated>waiting_for_input
validated>waiting_for_approval validated>queued validated>running validated>failed validated>cancelled
waiting_for_input>validated waiting_for_input>cancelled waiting_for_input>expired
waiting_for_approval>approved waiting_for_approval>cancelled waiting_for_approval>expired
waiting_for_approval>failed approved>queued approved>running approved>cancelled queued>running
queued>cancelled queued>failed running>succeeded running>failed running>cancelled running>blocked
blocked>queued blocked>running blocked>failed blocked>cancelled failed>queued failed>compensating
failed>cancelled compensating>compensated compensating>failed`.split(/\s+/);

const GUARDED: Readonly<Record<string, Partial<TransitionFacts>>> = {
  "waiting_for_approval>waiting_for_input": { changesRequested: true },
  "waiting_for_approval>queued": { goesOnWithout: true },
  "running>cancelling": { cancelRequested: true },
  "running>waiting_for_approval": {},
  "running>waiting_for_input": {},
  "blocked>cancelling": { cancelRequested: true, someEffectSucceeded: true },
  "cancelling>compensating": { compensatable: true },
  "compensated>cancelled": { cancelRequested: true },
  "succeeded>cancelling": { compensatable: true, windowOpen: true },
};

const pairs = COMMAND_STATUSES.flatMap((from) => COMMAND_STATUSES.map((to) => [from, to] as const));

describe("command state machine", () => {
  test("STM-1 STM-2 without facts the 15 by 15 matrix is the spec's 35 edges and the unguarded ones", () => {
    const unguarded = [
      "running>waiting_for_approval",
      "running>waiting_for_input",
      "cancelling>cancelled",
    ];
    const legal = pairs
      .filter(([from, to]) => canTransition(from, to))
      .map((pair) => pair.join(">"));
    expect(SPEC).toHaveLength(35);
    expect([...legal].sort()).toEqual([...SPEC, ...unguarded].sort());
  });

  test.each(Object.entries(GUARDED))("STM-3 %s is legal exactly under its guard", (edge, facts) => {
    const [from, to] = edge.split(">") as [CommandStatus, CommandStatus];
    expect(canTransition(from, to, { ...NO_FACTS, ...facts })).toBe(true);
    if (Object.keys(facts).length > 0) expect(canTransition(from, to)).toBe(false);
  });

  test("STM-1 STM-3 X-1 X-2 every pair under all 64 combinations of facts is what the table of guards says", () => {
    const names = Object.keys(NO_FACTS) as (keyof TransitionFacts)[];
    expect(names).toHaveLength(6);
    const unguarded = ["running>waiting_for_approval", "running>waiting_for_input"];
    for (let bits = 0; bits < 64; bits += 1) {
      const facts = Object.fromEntries(
        names.map((name, at) => [name, (bits & (1 << at)) !== 0]),
      ) as unknown as TransitionFacts;
      for (const [from, to] of pairs) {
        const edge = `${from}>${to}`;
        const guard = GUARDED[edge];
        const isGuarded =
          guard !== undefined &&
          Object.keys(guard).every((name) => facts[name as keyof TransitionFacts]);
        const isPlainCancel = edge === "cancelling>cancelled" && !facts.compensatable;
        const expected =
          SPEC.includes(edge) || unguarded.includes(edge) || isGuarded || isPlainCancel;
        expect([edge, bits, canTransition(from, to, facts)]).toEqual([edge, bits, expected]);
      }
    }
  });

  test("STM-9 whatever happens, a random walk of legal moves never leaves a terminal status", () => {
    const facts = fc.record({
      cancelRequested: fc.boolean(),
      compensatable: fc.boolean(),
      changesRequested: fc.boolean(),
      windowOpen: fc.boolean(),
      someEffectSucceeded: fc.boolean(),
      goesOnWithout: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), facts), { maxLength: 60 }), (choices) => {
        let at: CommandStatus = "created";
        for (const [choice, known] of choices) {
          const exits: readonly CommandStatus[] = COMMAND_STATUSES.filter((to) =>
            canTransition(at, to, known),
          );
          if (at === "cancelled" || at === "expired") expect(exits).toEqual([]);
          at = exits[choice % Math.max(exits.length, 1)] ?? at;
        }
      }),
    );
  });

  test("STM-3 a cancelling command with something to compensate may not simply be cancelled", () => {
    expect(canTransition("cancelling", "cancelled", { ...NO_FACTS, compensatable: true })).toBe(
      false,
    );
  });

  test("STM-9 nothing leaves cancelled and expired, whatever is known", () => {
    const all = Object.fromEntries(Object.keys(NO_FACTS).map((key) => [key, true]));
    const exits = pairs.filter(
      ([from, to]) =>
        (from === "cancelled" || from === "expired") &&
        canTransition(from, to, all as unknown as TransitionFacts),
    );
    expect(exits).toEqual([]);
  });

  test("EFF-4 effects move planned, executing, then one of two ends, and a failed one may be retried", () => {
    const legal = EFFECT_STATUSES.flatMap((from) =>
      EFFECT_STATUSES.filter((to) => canMoveEffect(from, to)).map((to) => `${from}>${to}`),
    );
    expect(legal).toEqual([
      "planned>executing",
      "executing>succeeded",
      "executing>failed",
      "failed>executing",
    ]);
  });

  test("ART-3 of all 49 pairs an artifact makes these moves, and one more when it is undone as a draft", () => {
    const legal = (facts?: { readonly isUndone: boolean }) =>
      ARTIFACT_STATUSES.flatMap((from) =>
        ARTIFACT_STATUSES.filter((to) => canMoveArtifact(from, to, facts)).map(
          (to) => `${from}>${to}`,
        ),
      ).sort();
    const spec =
      `draft>created draft>failed draft>deleted created>validated created>failed created>archived
      created>deleted validated>published validated>archived validated>failed published>archived
      archived>deleted`.split(/\s+/);
    expect(legal()).toEqual([...spec].sort());
    expect(legal({ isUndone: true })).toEqual([...spec, "draft>archived"].sort());
  });

  test("APR-2 an approval leaves pending once", () => {
    const legal = APPROVAL_STATUSES.flatMap((from) =>
      APPROVAL_STATUSES.filter((to) => canResolveApproval(from, to)).map((to) => `${from}>${to}`),
    );
    expect(legal).toEqual([
      "pending>approved",
      "pending>rejected",
      "pending>expired",
      "pending>cancelled",
    ]);
  });
});
