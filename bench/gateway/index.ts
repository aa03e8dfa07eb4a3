/**
 * Measures the gateway as its clients meet it: the real process, load from processes of its own over bare sockets.
 * `--quick` is shorter, `--only=idle,stored` takes some rows, `--sessions=` and `--rate=` another size of the row
 * `stored`. Each row checks that what it measured was right before its figure counts, and is bounded in time.
 */
import { cpus, loadavg, release } from "node:os";
import { syncedWritesPerSecond } from "../concordance/disk.ts";
import { Board } from "./board.ts";
import { type Effort, FULL, QUICK } from "./effort.ts";
import { benchFanout, benchJoin, benchSlow } from "./rows/fanout.ts";
import { benchKill, benchReconnect, benchStart } from "./rows/faults.ts";
import { benchBroadcast, benchIdle } from "./rows/idle.ts";
import { benchSideBySide } from "./rows/side-by-side.ts";
import { benchStored } from "./rows/stored.ts";
import { benchFlood, benchRoundtrip } from "./rows/traffic.ts";

const ROWS: Readonly<Record<string, (effort: Effort, board: Board) => Promise<void>>> = {
  start: benchStart,
  idle: benchIdle,
  stored: benchStored,
  fanout: benchFanout,
  broadcast: benchBroadcast,
  roundtrip: benchRoundtrip,
  join: benchJoin,
  kill: benchKill,
  reconnect: benchReconnect,
  slow: benchSlow,
  flood: benchFlood,
  sidebyside: benchSideBySide,
};
const ROW_TIMEOUT_MS = 300_000;

/** The result as Markdown. Throws when an option is not known. */
export async function benchGateway(args: readonly string[]): Promise<string> {
  const { rows, effort } = optionsOf(args);
  assertDescriptors(effort.connections);
  const board = new Board();
  const loadBefore = loadavg()[0] ?? 0;
  for (const name of rows) await oneRow(name, effort, board);
  board.notes.push(circumstances(loadBefore));
  return board.text();
}

/** One row that fails says so and leaves the others to be measured. */
async function oneRow(name: string, effort: Effort, board: Board): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`took longer than ${ROW_TIMEOUT_MS / 1_000} s`));
    setTimeout(fail, ROW_TIMEOUT_MS).unref();
  });
  try {
    await Promise.race([ROWS[name]?.(effort, board), late]);
  } catch (error) {
    board.note(`**${name} failed**: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function optionsOf(args: readonly string[]) {
  const accepted = `--quick, --sessions=<n>, --rate=<n>, --only=<some of ${Object.keys(ROWS).join(",")}>`;
  let effort = args.includes("--quick") ? QUICK : FULL;
  let rows = Object.keys(ROWS);
  for (const one of args.filter((arg) => arg !== "--quick")) {
    const [name, value = ""] = one.split("=");
    if (name === "--only") rows = value.split(",");
    else if (name === "--sessions") effort = { ...effort, sessions: Number(value) };
    else if (name === "--rate") effort = { ...effort, deltasPerSecond: Number(value) };
    else throw new Error(`bench gateway: unknown option ${one}; accepted: ${accepted}`);
  }
  const unknown = rows.find((name) => !(name in ROWS));
  if (unknown !== undefined) throw new Error(`bench gateway: no row ${unknown}; ${accepted}`);
  return { rows, effort };
}

/** The gateway holds a socket for each client and each session. Bun has raised the soft limit to the hard one by now. */
function assertDescriptors(connections: number): void {
  const limit = Number(Bun.spawnSync(["sh", "-c", "ulimit -n"]).stdout.toString());
  const needed = Math.ceil(connections * 1.7);
  if (limit < needed) {
    throw new Error(`this takes ${needed} open files a process; the limit is ${limit}: ulimit -n`);
  }
}

function circumstances(loadBefore: number): string {
  const [cpu] = cpus();
  const f1 = syncedWritesPerSecond(1);
  return [
    `${cpus().length} × ${cpu?.model ?? "CPU"}, Linux ${release()}, Bun ${Bun.version}.`,
    `Load average ${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} at the end.`,
    `4 KiB written in place and synced: ${f1.toFixed(0)}/s.`,
  ].join(" ");
}
