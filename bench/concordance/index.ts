/**
 * Measures Concordance against etcd in one run: three members each on this machine, one system at a time, fresh
 * stores, alternating; full sync and authentication on. `--quick` is one short round; `--only=put,watch` takes
 * some groups. Progress goes to standard error.
 */
import { cpus, loadavg, release } from "node:os";
import { Board } from "./board.ts";
import { concordance } from "./concordance.ts";
import { syncedWritesPerSecond } from "./disk.ts";
import { etcd, etcdVersion } from "./etcd.ts";
import { type Blow, benchFailover } from "./failover.ts";
import { benchExpiry, benchFollowerDown, benchKillAll } from "./faults.ts";
import { benchFootprint } from "./footprint.ts";
import { CLIENT_SOURCE } from "./native.ts";
import { assertInstalled } from "./processes.ts";
import type { Subject } from "./subject.ts";
import { benchThroughput } from "./throughput.ts";
import { benchWatch } from "./watchers.ts";

const TOOLS = {
  etcd: "etcd-server",
  etcdctl: "etcd-client",
  wrk: "wrk",
  h2load: "nghttp2-client",
  go: "golang-go",
  [CLIENT_SOURCE]: "golang-etcd-server-dev",
};
const GROUPS = ["put", "get", "list", "watch", "failover", "faults", "footprint", "ttl"] as const;
type Group = (typeof GROUPS)[number];
const BLOWS: readonly Blow[] = ["SIGKILL", "SIGSTOP", "SIGTERM"];

interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  readonly failovers: number;
  readonly killAll: number;
  readonly events: number;
}
const FULL: Effort = { rounds: 5, seconds: 5, failovers: 20, killAll: 10, events: 400 };
const QUICK: Effort = { rounds: 1, seconds: 2, failovers: 3, killAll: 2, events: 100 };

/** The result as Markdown. Throws when a tool is missing or an option is not known. */
export async function benchConcordance(args: readonly string[]): Promise<string> {
  const { groups, effort } = optionsOf(args);
  assertInstalled(TOOLS);
  const board = new Board();
  const f1Before = syncedWritesPerSecond(2);
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const subject of [etcd, concordance]) await oneRound(subject, groups, effort, board);
  }
  for (const subject of [etcd, concordance]) await once(subject, groups, effort, board);
  const f1After = syncedWritesPerSecond(2);
  board.notes.push(await circumstances(effort, f1Before, f1After));
  return board.text();
}

/** What is repeated, the two systems in turn. */
async function oneRound(
  subject: Subject,
  groups: ReadonlySet<Group>,
  { seconds, events }: Effort,
  board: Board,
): Promise<void> {
  const puts = groups.has("put") ? [1, 8, 64, 256] : [];
  const plan = { seconds, puts, gets: groups.has("get"), lists: groups.has("list") };
  if (puts.length > 0 || plan.gets || plan.lists) await benchThroughput(subject, plan, board);
  if (groups.has("watch")) {
    for (const watchers of [1, 1000] as const) await benchWatch(subject, watchers, events, board);
  }
  if (groups.has("faults")) await benchFollowerDown(subject, seconds, board);
  if (groups.has("ttl")) await benchExpiry(subject, board);
}

/** What has rounds of its own. */
async function once(
  subject: Subject,
  groups: ReadonlySet<Group>,
  { failovers, killAll, rounds }: Effort,
  board: Board,
): Promise<void> {
  if (groups.has("failover")) {
    for (const blow of BLOWS) await benchFailover(subject, blow, failovers, board);
  }
  if (groups.has("faults")) await benchKillAll(subject, killAll, board);
  if (groups.has("footprint")) await benchFootprint(subject, rounds, board);
}

function optionsOf(args: readonly string[]) {
  const only = args.findIndex((one) => one === "--only" || one.startsWith("--only="));
  const named = args[only]?.split("=")[1] ?? (only === -1 ? GROUPS.join(",") : args[only + 1]);
  const names = (named ?? "").split(",");
  const others = args.filter((one, at) => one !== "--quick" && at !== only && one !== named);
  const isGroup = (name: string): name is Group => GROUPS.some((group) => group === name);
  if (!names.every(isGroup) || others.length > 0) {
    const accepted = `--quick and --only=<some of ${GROUPS.join(",")}>`;
    throw new Error(`bench concordance: unknown option; accepted: ${accepted}`);
  }
  return {
    groups: new Set(names.filter(isGroup)),
    effort: args.includes("--quick") ? QUICK : FULL,
  };
}

async function circumstances(effort: Effort, f1Before: number, f1After: number): Promise<string> {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model ?? "CPU"}, Linux ${release()}, Bun ${Bun.version}`;
  const moved = Math.abs(f1After / f1Before - 1);
  const verdict = moved > 0.2 ? "moved by more than 20 %: do not trust this run" : "steady";
  return [
    `${machine}, etcd ${await etcdVersion()}; median (minimum–maximum) of ${effort.rounds} rounds of ${effort.seconds} s.`,
    "etcd gRPC: its own client, clientv3, up to 16 connections (watchers: bare sockets, as for Concordance); judged. " +
      "etcd h2load: a load generator that costs less and sends one key; for information.",
    `F1 (4 KiB written in place and synced): ${f1Before.toFixed(0)}/s before, ${f1After.toFixed(0)}/s after: ${verdict}.`,
    `Load average at the end: ${loadavg()
      .map((one) => one.toFixed(1))
      .join(", ")}.`,
  ].join("\n");
}
