/**
 * Owns the long mode of the simulation: seed after seed until told to stop, with a line a minute and totals
 * at the end. A broken law names its seed and does not end the run.
 */
import { parseArgs } from "node:util";
import { type Outcome, simulate } from "./run.ts";

const HELP = `Simulates whole Concordance clusters, one a seed, and judges each run.

  bun packages/concordance/test/sim/main.ts [--from=<seed>] [--seeds=<count>] [--operations=<count>] [--minutes=<n>]

  --from=<seed>         first seed (1)
  --seeds=<count>       stop after so many seeds
  --operations=<count>  stop once clients have asked for so much
  --minutes=<n>         stop after so long (10, when nothing else is given)
  --help                this text

Prints a line a minute, each violation with its seed, and totals at the end. To look at one seed again:
--from=<seed> --seeds=1. Exit code: 0 no violation, 1 some, 2 wrong arguments.
`;
const MINUTE_MS = 60_000;

interface Totals {
  seeds: number;
  operations: number;
  acknowledged: number;
  told: number;
  statesCompared: number;
  virtualMs: number;
  violations: number;
}
interface Limits {
  readonly from: number;
  readonly seeds: number;
  readonly operations: number;
  readonly endMs: number;
}

const write = (line: string) => void process.stdout.write(`${line}\n`);

function limitsOf(args: readonly string[]): Limits | null {
  const text = { type: "string" } as const;
  const options = { from: text, seeds: text, operations: text, minutes: text };
  const help = { type: "boolean" } as const;
  const { values } = parseArgs({ args: [...args], options: { ...options, help } });
  if (values.help === true) return null;
  const number = (name: keyof typeof options, absent: number) => {
    const given = values[name];
    const parsed = given === undefined ? absent : Number(given);
    if (!(parsed > 0)) throw new TypeError(`--${name} must be a number above 0, not "${given}"`);
    return parsed;
  };
  const bounded = values.seeds ?? values.operations ?? values.minutes;
  const minutes = number("minutes", bounded === undefined ? 10 : Infinity);
  return {
    from: number("from", 1),
    seeds: number("seeds", Infinity),
    operations: number("operations", Infinity),
    endMs: performance.now() + minutes * MINUTE_MS,
  };
}

function run({ from, seeds, operations, endMs }: Limits): Totals {
  const totals: Totals = {
    seeds: 0,
    operations: 0,
    acknowledged: 0,
    told: 0,
    statesCompared: 0,
    virtualMs: 0,
    violations: 0,
  };
  const startedMs = performance.now();
  let nextLineMs = startedMs + MINUTE_MS;
  while (totals.seeds < seeds && totals.operations < operations && performance.now() < endMs) {
    const seed = from + totals.seeds;
    totals.seeds += 1;
    try {
      add(totals, simulate(seed));
    } catch (error) {
      totals.violations += 1;
      write(`seed ${seed}: ${String(error)}`);
    }
    if (performance.now() < nextLineMs) continue;
    nextLineMs += MINUTE_MS;
    write(report(totals, startedMs));
  }
  write(report(totals, startedMs));
  return totals;
}

function add(totals: Totals, outcome: Outcome): void {
  totals.operations += outcome.operations;
  totals.acknowledged += outcome.acknowledged;
  totals.told += outcome.told;
  totals.statesCompared += outcome.statesCompared;
  totals.virtualMs += outcome.virtualMs;
}

function report(totals: Totals, startedMs: number): string {
  const elapsedMs = performance.now() - startedMs;
  const perHour = Math.round((totals.seeds / elapsedMs) * 60 * MINUTE_MS);
  const cpuSeconds = (process.cpuUsage().user + process.cpuUsage().system) / 1_000_000;
  const parts = [
    `${totals.seeds} seeds (${perHour} an hour)`,
    `${totals.operations} client operations, ${totals.acknowledged} writes acknowledged`,
    `${totals.told} changes told to watchers`,
    `${totals.statesCompared} whole states compared`,
    `${Math.round(totals.virtualMs / 1_000)} cluster-seconds in ${Math.round(elapsedMs / 1_000)} s (${Math.round(cpuSeconds)} s of processor time)`,
    `${totals.violations} violations`,
  ];
  return parts.join("; ");
}

try {
  const limits = limitsOf(process.argv.slice(2));
  if (limits === null) write(HELP);
  else process.exitCode = run(limits).violations === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
