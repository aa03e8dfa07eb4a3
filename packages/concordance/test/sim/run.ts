/** Owns one simulated run from its seed: trouble of every kind, then peace, and what must be true at the end. */
import { assert } from "../../service/raft/assert.ts";
import { violationOf } from "./linearizability.ts";
import { type Core, REAL_CORE } from "./node.ts";
import { converged, World } from "./world.ts";

export interface Outcome {
  readonly digest: number;
  readonly acknowledged: number;
  readonly committed: number;
  readonly terms: number;
  readonly compacted: boolean;
}

const TROUBLE_MS = 3_000;
const PEACE_MS = 2_000;
const MEMBERS_MAX = 5;

/** Throws what was broken; the message names the law. */
export function simulate(seed: number, core: Core = REAL_CORE): Outcome {
  const world = new World(seed, core);
  const { luck } = world;
  const strike = () => {
    if (world.trouble === 0) return;
    misfortune(world);
    world.after(luck.between(20, 250), strike);
  };
  world.after(400, strike);
  world.runUntil(TROUBLE_MS);
  world.calm();
  const before = world.laws.committed.length;
  world.runUntil(TROUBLE_MS + PEACE_MS);
  assert(world.leader() !== undefined, "liveness: peace brings a leader");
  assert(world.laws.committed.length > before + 5, "liveness: peace brings progress");
  assert(converged(world), "liveness: members catch up in peace");
  for (const [key, history] of world.histories) {
    const why = violationOf(history);
    assert(why === null, `C1: the history of ${key} is not linearizable: ${why}`);
  }
  const states = [...world.nodes.values()].map(({ state }) => state);
  return {
    digest: world.digest,
    acknowledged: world.acknowledged,
    committed: world.laws.committed.length,
    terms: Math.max(...states.map(({ term }) => term)),
    compacted: states.some(({ log }) => log.baseIndex > 0),
  };
}

function misfortune(world: World): void {
  const { luck } = world;
  const one = luck.pick([...world.nodes.keys()]);
  const other = luck.pick([...world.nodes.keys()]);
  if (one === undefined || other === undefined) return;
  const victim = luck.chance(0.5) ? (world.leader()?.id ?? one) : one;
  const dice = luck.next();
  if (dice < 0.25) {
    world.crash(victim);
    world.after(luck.between(20, 600), () => world.restart(victim));
  } else if (dice < 0.35) {
    world.pause(victim);
    world.after(luck.between(50, 700), () => world.resume(victim));
  } else if (dice < 0.5) world.block(victim, other);
  else if (dice < 0.58) {
    for (const id of world.nodes.keys()) {
      if (id === victim) continue;
      world.block(victim, id);
      if (luck.chance(0.7)) world.block(id, victim);
    }
  } else if (dice < 0.75) world.heal();
  else if (dice < 0.8) world.skew(victim, luck.between(-60_000, 60_000));
  else if (dice < 0.87 && world.members().length < MEMBERS_MAX) world.join();
  else if (dice < 0.94 && world.members().length > 2) {
    const gone = luck.pick(world.members());
    if (gone !== undefined) world.leader()?.change({ kind: "remove", nodeId: gone });
  } else world.leader()?.transfer(other);
}
