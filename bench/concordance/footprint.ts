/** Owns what the systems weigh: memory and disk, empty and with 100,000 keys, and how they come back with those. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryOf } from "../support/memory.ts";
import { quantile } from "../support/table.ts";
import type { Board } from "./board.ts";
import { get } from "./concordance.ts";
import { run } from "./processes.ts";
import { type Cluster, type Member, type Subject, send, until } from "./subject.ts";
import { fillKeys } from "./throughput.ts";

const KEYS = 100_000;
const SETTLE_MS = 5_000;

export async function benchFootprint(
  subject: Subject,
  rounds: number,
  board: Board,
): Promise<void> {
  const cluster = await subject.start();
  try {
    await Bun.sleep(SETTLE_MS);
    board.record("rss-empty", subject.name, residentMib(cluster));
    await fillKeys(subject, await cluster.leader(), KEYS);
    await Bun.sleep(SETTLE_MS);
    board.record("rss-100k", subject.name, residentMib(cluster));
    const { dataDir } = await cluster.leader();
    board.record("disk-100k", subject.name, await diskMib(dataDir));
    for (let round = 0; round < rounds; round += 1) {
      board.record("restart-kill", subject.name, await restartMs(cluster, "SIGKILL"));
      board.record("restart-term", subject.name, await restartMs(cluster, "SIGTERM"));
      await saveSnapshot(subject, cluster, board);
    }
  } finally {
    await cluster.stop();
  }
}

/** The median member's. */
function residentMib({ members }: Cluster): number {
  return quantile(
    members.map(({ pid }) => memoryOf(pid).rssMib),
    0.5,
  );
}

async function diskMib(path: string): Promise<number> {
  return Number((await run(["du", "-sk", path])).split("\t")[0]) / 1_024;
}

/** A follower, from its start to healthy with a linearizable read. */
async function restartMs(cluster: Cluster, signal: "SIGKILL" | "SIGTERM"): Promise<number> {
  const leader = await cluster.leader();
  const follower = cluster.members.find(({ name }) => name !== leader.name);
  if (follower === undefined) throw new Error("a cluster has followers");
  follower.signal(signal);
  await follower.ended;
  const startedMs = performance.now();
  const back = cluster.restart(follower.name);
  await until("the member is back", () => cluster.ready(back));
  return performance.now() - startedMs;
}

/** Each system's own way to a file, timed; then once more, with the longest wait for a health answer meanwhile. */
async function saveSnapshot(subject: Subject, cluster: Cluster, board: Board): Promise<void> {
  const leader = await cluster.leader();
  const folder = mkdtempSync(join(tmpdir(), "bench-snapshot-"));
  try {
    const startedMs = performance.now();
    const saved = await saveTo(subject, leader, join(folder, "timed.db"));
    if (!saved) return;
    board.record("snapshot", subject.name, performance.now() - startedMs);
    const health = await HealthProbe.start(leader);
    const longestMs = await health.during(() =>
      saveTo(subject, leader, join(folder, "watched.db")),
    );
    board.record("snapshot-stall", subject.name, longestMs);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** False when this build has no such route. */
async function saveTo(subject: Subject, leader: Member, path: string): Promise<boolean> {
  if (subject.name === "etcd") {
    await run(["etcdctl", `--endpoints=${leader.url}`, "snapshot", "save", path]);
    return true;
  }
  const response = await send(leader, get("/api/v1/cluster/snapshot"), 60_000);
  if (response.status === 404) return false;
  if (!response.ok) throw new Error(`no snapshot: ${response.status} ${await response.text()}`);
  await Bun.write(path, response);
  return true;
}

/** Asks from a process of its own. */
class HealthProbe {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  private constructor(url: string) {
    const program = join(import.meta.dir, "health-probe.ts");
    const command = [process.execPath, program, url];
    this.#child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    this.#lines = linesOf(this.#child.stdout);
  }

  static async start({ url }: Member): Promise<HealthProbe> {
    const probe = new HealthProbe(url);
    await probe.#lines.next();
    return probe;
  }

  /** The longest wait until the work is done, in milliseconds. */
  async during(work: () => Promise<unknown>): Promise<number> {
    try {
      await work();
    } finally {
      this.#child.kill("SIGTERM");
    }
    const { value } = await this.#lines.next();
    await this.#child.exited;
    return Number(value);
  }
}

async function* linesOf(output: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of output) {
    const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
