/** Owns one simulated run from its seed: trouble of every kind, then peace, and what must be true at the end. */
import { assert } from "../../service/raft/assert.ts";
import { judge } from "./judgement.ts";
import { misfortune } from "./misfortune.ts";
import { CLOCK_DRIFT, World } from "./world.ts";

export interface Outcome {
  readonly digest: number;
  /** What clients asked for, and how much of it was a write that was acknowledged. */
  readonly operations: number;
  readonly acknowledged: number;
  readonly committed: number;
  readonly terms: number;
  readonly compacted: boolean;
  /** Whole states that were compared with another member's. */
  readonly statesCompared: number;
  /** Changes that watchers were told. */
  readonly told: number;
  readonly expiries: number;
  readonly virtualMs: number;
}

const TROUBLE_MS = 3_000;
const PEACE_MS = 2_000;
/** After so much peace nothing is left to elect a leader for. */
const SETTLED_MS = 1_200;
/** By then a key is gone that fell due: a sweep, a commit, and the drift of clocks. */
const EXPIRY_LATE_MS = 300;
/** And by then a watcher was told. */
const TOLD_LATE_MS = 800;

/** Throws what was broken; the message names the law. */
export function simulate(seed: number): Outcome {
  const world = new World(seed);
  try {
    return run(world);
  } finally {
    world.close();
  }
}

function run(world: World): Outcome {
  const { luck, laws, clients } = world;
  const strike = () => {
    if (world.trouble === 0) return;
    misfortune(world);
    world.after(luck.between(20, 250), strike);
  };
  world.after(400, strike);
  world.runUntil(TROUBLE_MS);
  world.calm();
  const before = laws.committed.length;
  world.runUntil(TROUBLE_MS + SETTLED_MS);
  const term = termOf(world);
  const endMs = TROUBLE_MS + PEACE_MS;
  world.runUntil(endMs);
  const leader = world.leader();
  assert(leader !== undefined, "liveness: peace brings a leader");
  assert(laws.committed.length > before + 5, "liveness: peace brings progress");
  assert(world.converged(), "liveness: members catch up in peace");
  assert(termOf(world) === term, "liveness: peace keeps its leader");
  judge({
    changes: laws.changes,
    writes: [...clients.writes.values()],
    reads: clients.reads,
    watchers: world.watchers,
    settledRevision: settledRevision(world, endMs - TOLD_LATE_MS),
    dueMs: world.dueMs,
    trueMs: world.trueMs,
    ttl: {
      endMs: leader.store.position.timeMs,
      lateMs: EXPIRY_LATE_MS,
      clockErrorMs: world.mayJump ? null : endMs * CLOCK_DRIFT * 2,
    },
  });
  const states = [...world.nodes.values()].map(({ state }) => state);
  return {
    digest: world.digest,
    operations: clients.operations,
    acknowledged: clients.acknowledged,
    committed: laws.committed.length,
    terms: termOf(world),
    compacted: states.some(({ log }) => log.baseIndex > 0),
    statesCompared: laws.statesCompared,
    told: world.watchers
      .flatMap(({ told }) => told)
      .reduce((sum, one) => sum + one.changes.length, 0),
    expiries: laws.changes.filter(({ actor }) => actor.startsWith("system:")).length,
    virtualMs: endMs,
  };
}

function termOf(world: World): number {
  return Math.max(...[...world.nodes.values()].map(({ state }) => state.term));
}

/** The last revision that was first applied by then. */
function settledRevision(world: World, byMs: number): number {
  let settled = 0;
  for (const [revision, atMs] of world.trueMs) if (atMs <= byMs) settled = revision;
  return settled;
}
