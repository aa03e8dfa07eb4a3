/** Owns which misfortune strikes a simulated cluster, and how it passes. One call, one strike. */
import type { NodeId } from "../../service/raft/types.ts";
import type { World } from "./world.ts";

const MEMBERS_MAX = 5;

type Strike = (world: World, victim: NodeId, other: NodeId) => void;

/** With how often each comes, relative to the others. */
const STRIKES: readonly (readonly [weight: number, strike: Strike])[] = [
  [15, (world, victim) => crashed(world, victim, "process")],
  [10, (world, victim) => crashed(world, victim, "power")],
  [3, blackout],
  [10, paused],
  [12, (world, victim, other) => world.block(victim, other)],
  [8, isolated],
  [16, (world) => world.heal()],
  [4, clockJumps],
  [6, joins],
  [6, leaves],
  [6, (world, _, other) => world.leader()?.transfer(other)],
  [4, diskFull],
  [5, diskSlow],
  [2, (world, victim) => world.rot(victim)],
  [4, (world) => world.luck.pick(world.watchers)?.cut()],
];
const TOTAL = STRIKES.reduce((sum, [weight]) => sum + weight, 0);

/** Half of the time it is the leader that suffers. */
export function misfortune(world: World): void {
  const { luck } = world;
  const one = luck.pick([...world.nodes.keys()]);
  const other = luck.pick([...world.nodes.keys()]);
  if (one === undefined || other === undefined) return;
  const victim = luck.chance(0.5) ? (world.leader()?.id ?? one) : one;
  let dice = luck.next() * TOTAL;
  for (const [weight, strike] of STRIKES) {
    dice -= weight;
    if (dice >= 0) continue;
    strike(world, victim, other);
    return;
  }
}

function crashed(world: World, victim: NodeId, cut: "power" | "process"): void {
  world.crash(victim, cut);
  world.after(world.luck.between(20, 600), () => world.restart(victim));
}

/** Everybody at once: only what is on disk counts. */
function blackout(world: World): void {
  for (const id of [...world.nodes.keys()]) {
    world.crash(id, "power");
    world.after(world.luck.between(20, 300), () => world.restart(id));
  }
}

function paused(world: World, victim: NodeId): void {
  world.pause(victim);
  world.after(world.luck.between(50, 700), () => world.resume(victim));
}

/** From all others, often in one direction only. */
function isolated(world: World, victim: NodeId): void {
  for (const id of world.nodes.keys()) {
    if (id === victim) continue;
    world.block(victim, id);
    if (world.luck.chance(0.7)) world.block(id, victim);
  }
}

/** In half of the runs clocks only drift, so that times to live can be judged by true time. */
function clockJumps(world: World, victim: NodeId): void {
  if (world.mayJump) world.skew(victim, world.luck.between(-60_000, 60_000));
}

function joins(world: World): void {
  if (world.members().length < MEMBERS_MAX) world.join();
}

function leaves(world: World): void {
  const members = world.members();
  const gone = world.luck.pick(members);
  if (gone !== undefined && members.length > 2) world.remove(gone);
}

function diskFull(world: World, victim: NodeId): void {
  world.fillDisk(victim);
  world.after(world.luck.between(50, 600), () => world.freeDisk(victim));
}

function diskSlow(world: World, victim: NodeId): void {
  world.slowDisk(victim, true);
  world.after(world.luck.between(100, 800), () => world.slowDisk(victim, false));
}
