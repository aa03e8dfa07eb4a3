/**
 * Owns the comparison with bare `ws` and `socket.io` servers (load/peer.ts): the same agents, the same pace, the same
 * viewers in the same run. What each needs for one delivered event, and in memory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuMsOf } from "../../concordance/processes.ts";
import { memoryOf } from "../../support/memory.ts";
import { table } from "../../support/table.ts";
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { PODIUM_KEY, World } from "../gateway.ts";
import type { CrowdApi } from "../load/crowd.ts";
import type { PodiumApi } from "../load/podium.ts";
import { Helper } from "../load/rpc.ts";
import { assertWell, play, type Stage, stage } from "../stage.ts";

interface Shape {
  readonly name: string;
  readonly sessions: number;
  readonly every: number;
  /** Events a second, over all sessions. */
  readonly rate: number;
}
const SHAPES: readonly Shape[] = [
  { name: "1 session, 1,000 viewers, 20/s", sessions: 1, every: 1_000, rate: 20 },
  { name: "200 sessions of 2 viewers, 1,000/s", sessions: 200, every: 2, rate: 1_000 },
];
const PEERS = ["ws", "socket.io"] as const;
type Peer = (typeof PEERS)[number];
const SETTLE_MS = 1_000;

export async function benchSideBySide({ seconds }: Effort, board: Board): Promise<void> {
  const lines: (readonly string[])[] = [];
  for (const shape of SHAPES) {
    lines.push(await gateway(shape, seconds));
    for (const peer of PEERS) lines.push(await bare(peer, shape, seconds));
  }
  const head = ["", "server", "p50", "p99", "processor time a delivered event", "resident memory"];
  board.note(table(head, lines));
}

function gateway(shape: Shape, seconds: number): Promise<readonly string[]> {
  return World.with({ tenants: shape.every > 2 ? 1 : 20 }, async (world) => {
    await stage(world, shape);
    return measured("gateway: stored, signed in, replayable", shape, seconds, world);
  });
}

async function bare(peer: Peer, shape: Shape, seconds: number): Promise<readonly string[]> {
  const podium = new Helper<PodiumApi>("./podium.ts");
  const crowd = new Helper<CrowdApi>("./crowd.ts");
  const folder = mkdtempSync(join(tmpdir(), "diminuendo-bench-"));
  const ids = Array.from({ length: shape.sessions }, (_, index) => `inst${index}`);
  let server: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  try {
    await podium.ask("make", { ids });
    const url = `http://127.0.0.1:${await podium.ask("port", undefined)}`;
    const command = ["node", await bundled(folder), peer, url, PODIUM_KEY, ids.join(",")];
    server = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const port = await portOf(server.stdout);
    await crowd.ask("visit", { port, rooms: ids, every: shape.every, peer });
    return await measured(peer, shape, seconds, { podium, crowd, pid: server.pid });
  } finally {
    server?.kill("SIGKILL");
    await Promise.all([podium.end(), crowd.end(), server?.exited]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measured(
  name: string,
  { rate, every, name: shape }: Shape,
  seconds: number,
  on: Stage & { readonly pid: number },
): Promise<readonly string[]> {
  await Bun.sleep(SETTLE_MS);
  const how = { rate, bytes: 200, kind: "delta" as const };
  const expected = (said: number) => said * every;
  assertWell(await play(on, { ...how, seconds: 1 }, expected));
  const beforeMs = cpuMsOf([on]);
  const seen = await play(on, { ...how, seconds }, expected);
  const usedMs = cpuMsOf([on]) - beforeMs;
  assertWell(seen);
  if (seen.latencyMs.count !== expected(seen.said)) throw new Error(`${name}: not all arrived`);
  const eachUs = (usedMs * 1_000) / seen.latencyMs.count;
  const [p50, p99] = [seen.latencyMs.p50, seen.latencyMs.p99].map((ms) => `${ms.toFixed(1)} ms`);
  const rss = `${memoryOf(on.pid).rssMib.toFixed(0)} MiB`;
  return [shape, name, p50 ?? "", p99 ?? "", `${eachUs.toFixed(1)} µs`, rss];
}

/** Node cannot read TypeScript; the packages come along. */
async function bundled(folder: string): Promise<string> {
  const entry = new URL("../load/peer.ts", import.meta.url).pathname;
  const { success, logs } = await Bun.build({
    entrypoints: [entry],
    target: "node",
    outdir: folder,
  });
  if (!success) throw new Error(`the peers cannot be built: ${logs.join("\n")}`);
  await Bun.write(join(folder, "package.json"), '{"type":"module"}');
  return join(folder, "peer.js");
}

async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let said = "";
  for await (const chunk of stdout) {
    said += Buffer.from(chunk).toString();
    const port = /listening (\d+)\n/.exec(said)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`the server ended before it listened: ${said}`);
}
