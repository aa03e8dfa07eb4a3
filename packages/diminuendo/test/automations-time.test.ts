/**
 * More than a day of automations in virtual time, many times over: processes die anywhere, two look at once, clocks jump
 * and change, somebody pauses and resumes. Every due tick has exactly one run, or is counted as missed, once.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { accountUntil } from "../src/automations/accounting.ts";
import { turnOf } from "../src/automations/core/ids.ts";
import { paused, resumed } from "../src/automations/core/pausing.ts";
import type { StoredRun } from "../src/db/stored-automations.ts";
import type { AutomationDefinition, AutomationSchedule } from "../src/protocol/index.ts";
import {
  AutomationWorld,
  definition,
  type Life,
  ticksTheDumbWay,
} from "./support/automation-world.ts";

setDefaultTimeout(300_000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LASTS = 26 * HOUR;

const BERLIN = "Europe/Berlin";
const SCHEDULES: readonly AutomationSchedule[] = [
  { kind: "cron", cron: "*/15 * * * *", timeZone: BERLIN },
  { kind: "cron", cron: "30 2 * * *", timeZone: BERLIN },
  { kind: "cron", cron: "*/20 1-4 * * *", timeZone: BERLIN },
  { kind: "cron", cron: "* * * * *", timeZone: "UTC" },
  { kind: "cron", cron: "7 */2 * * *", timeZone: "America/New_York" },
  { kind: "heartbeat", everyMinutes: 10 },
  { kind: "heartbeat", everyMinutes: 95 },
];
/** Shortly before clocks go forwards, go back, and an ordinary day. */
const BEGINNINGS = ["2026-03-28T20:00:17Z", "2026-10-24T20:00:00Z", "2026-06-01T08:30:59Z"];

type Happening =
  | { readonly kind: "look" | "two_look" | "pause" | "resume" | "finish" | "fail" }
  | { readonly kind: "pass" | "jump"; readonly ms: number };

const happening = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Happening>({ kind: "look" }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ kind: "two_look" }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ kind: "finish" }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ kind: "fail" }) },
  { weight: 1, arbitrary: fc.constantFrom<Happening>({ kind: "pause" }, { kind: "resume" }) },
  {
    weight: 8,
    arbitrary: fc
      .oneof(fc.integer({ min: 1, max: 90_000 }), fc.integer({ min: 1, max: 3 * HOUR }))
      .map((ms): Happening => ({ kind: "pass", ms })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -2 * HOUR, max: 5 * HOUR })
      .map((ms): Happening => ({ kind: "jump", ms })),
  },
);

/** The same numbers each time for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

const POLICIES: readonly AutomationDefinition["missed"][] = [
  { policy: "skip", max: 10 },
  { policy: "run_once", max: 10 },
  { policy: "catch_up", max: 3 },
];

const story = fc.record({
  schedule: fc.constantFrom(...SCHEDULES),
  beginning: fc.constantFrom(...BEGINNINGS),
  missed: fc.constantFrom(...POLICIES),
  overlap: fc.constantFrom("skip" as const, "queue" as const),
  retries: fc.constantFrom(0, 2),
  happenings: fc.array(happening, { minLength: 40, maxLength: 120 }),
  seed: fc.nat(),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

async function live(told: Story) {
  const world = new AutomationWorld();
  const random = randomOf(told.seed);
  let nowMs = Date.parse(told.beginning);
  const startMs = nowMs;
  const limits = { runMinutes: 1_440, runsPerDay: 1_440, failuresInARow: 0 };
  const { missed, overlap } = told;
  const retries = { max: told.retries, backoffSeconds: 60 };
  const made = definition(told.schedule, { missed, overlap, limits, retries });
  const { automationId } = world.create(made, nowMs);
  const life = (): Life => ({
    dies: () => random() < 0.04,
    dawdles: () => Math.floor(random() * 3),
  });
  /** While it is active, ticks count. */
  const active: Span[] = [];
  let activeFromMs: number | null = nowMs;
  const stats = { kills: 0 };
  const look = async () => {
    if (!(await world.look(nowMs, life()))) stats.kills += 1;
  };
  const steps: Readonly<Record<Happening["kind"], () => Promise<void> | void>> = {
    look,
    two_look: async () => void (await Promise.all([look(), look()])),
    finish: () => world.finishTurns(),
    fail: () => world.finishTurns("failed"),
    pause: async () => {
      if (activeFromMs === null) return;
      const before = await world.run(accountUntil("acme", world.get(automationId), nowMs));
      world.save(paused(before, nowMs), 1, nowMs);
      active.push({ fromMs: activeFromMs, toMs: Math.max(before.cursorAt, nowMs) });
      activeFromMs = null;
    },
    resume: () => {
      if (activeFromMs !== null) return;
      world.save(resumed(world.get(automationId), nowMs), 1, nowMs);
      activeFromMs = world.get(automationId).cursorAt;
    },
    pass: () => {},
    jump: () => {},
  };
  const play = async (one: Happening) => {
    if ("ms" in one) nowMs = Math.max(startMs, nowMs + one.ms);
    await steps[one.kind]();
  };
  for (const one of told.happenings) await play(one);
  while (nowMs < startMs + LASTS) {
    for (const one of told.happenings) {
      if (nowMs >= startMs + LASTS) break;
      await play(one);
    }
    nowMs += 30 * MINUTE;
  }
  // In the end somebody lives long enough; no further ticks come while the last runs end.
  await play({ kind: "pause" });
  for (let rounds = 0; world.runs().some(isOpen); rounds += 1) {
    if (rounds > 3_000) throw new Error("runs stay open");
    await world.look(nowMs);
    world.finishTurns();
    nowMs += 10 * MINUTE;
  }
  return { world, active, made, startMs, stats, automationId };
}

const isOpen = ({ status }: StoredRun) =>
  status === "due" || status === "running" || status === "waiting" || status === "retrying";

/** Every tick of the active spans, as the dumb twin finds them. */
function ticksOf(schedule: AutomationSchedule, anchorMs: number, spans: readonly Span[]) {
  const ticks = new Set<number>();
  for (const { fromMs, toMs } of spans) {
    for (const tick of ticksTheDumbWay(schedule, anchorMs, fromMs, toMs)) ticks.add(tick);
  }
  return [...ticks].toSorted((left, right) => left - right);
}

let stories = 0;
let kills = 0;
let fired = 0;
let missedTicks = 0;

for (const seed of [20_261_121, 7, 1_999]) {
  test(`every due tick has one run or is missed, once (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        const { world, active, startMs, stats } = await live(told);
        const runs = world.runs();
        const missed = runs.filter(({ status }) => status === "missed");
        const single = runs.filter(({ status }) => status !== "missed").map(({ dueAt }) => dueAt);
        expect(new Set(single).size).toBe(single.length);
        const ticks = ticksOf(told.schedule, startMs, active);
        // 500 ended runs are kept: of the others, what is kept must be whole.
        const oldest = Math.min(...runs.map(({ dueAt }) => dueAt));
        const kept = ticks.filter((tick) => tick >= oldest);
        const covered = new Set(single);
        for (const { dueAt, missed: range } of missed) {
          const within = kept.filter(
            (tick) => tick >= dueAt && tick <= (range?.throughAt ?? 0) && !covered.has(tick),
          );
          expect(within.length).toBe(range?.count ?? 0);
          for (const tick of within) covered.add(tick);
        }
        expect([...covered].toSorted((left, right) => left - right)).toEqual(kept);
        expectOneTurnEach(world, runs);
        stories += 1;
        kills += stats.kills;
        fired += single.length;
        missedTicks += missed.reduce((sum, { missed: range }) => sum + (range?.count ?? 0), 0);
        world.database.close();
      }),
      { numRuns: 25, seed },
    );
  });
}

/** However often it was asked for, each attempt of each run was one turn, and nothing else became one. */
function expectOneTurnEach(world: AutomationWorld, runs: readonly StoredRun[]): void {
  const begun = runs.filter(({ status }) => status !== "missed" && status !== "skipped");
  const turns = begun.flatMap(({ runId, attempt }) =>
    Array.from({ length: attempt }, (_, index) => turnOf(runId, index + 1)),
  );
  const forgotten = runs.length >= 500;
  for (const turnId of turns) expect(world.turns.has(turnId)).toBe(true);
  if (!forgotten) expect(world.turns.size).toBe(turns.length);
}

test("the stories were eventful", () => {
  expect(stories).toBe(75);
  expect(kills).toBeGreaterThan(100);
  expect(fired).toBeGreaterThan(500);
  expect(missedTicks).toBeGreaterThan(500);
});
