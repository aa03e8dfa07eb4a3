/**
 * Owns `concert up`: starts the stack in the foreground with visible progress, says where to go, and stops
 * everything on Ctrl-C or SIGTERM; a second one does not wait. Refuses to own: how services are kept alive.
 */
import { withoutPassword } from "../stack/addresses.ts";
import { openStack, type Stack } from "../stack/stack.ts";
import type { PhaseChange } from "../supervisor/process-spec.ts";
import { Progress } from "../terminal/Progress.ts";
import { stackOptionsOf, type UpFlags } from "./up-options.ts";

const EXIT_FORCED = 130;

/** Runs until it is told to stop. Rejects when the start is not possible. */
export async function up(flags: UpFlags): Promise<void> {
  const options = stackOptionsOf(flags);
  const view = startView(options.services ?? [], flags.verbose);
  const stack = await openStack({
    ...options,
    onChange: view.change,
    onLine: view.line,
    onLeftOvers: (names) => say(`The run before is still ending (${names.join(", ")}); waiting.`),
  });
  const told = onceTold(stack);
  const outcome = await Promise.race([stack.healthy.then(() => "healthy"), told]).finally(() =>
    view.endStart(),
  );
  if (outcome === "healthy") say(welcome(stack));
  say(`\nStopping (${await told}). Press Ctrl-C again to end at once.`);
  await stack.stop();
  say("Stopped. Everything is kept: start again to go on.");
}

/** Resolves at the first SIGINT or SIGTERM; the second ends everything by force. */
function onceTold(stack: Stack): Promise<string> {
  return new Promise((resolve) => {
    let times = 0;
    const hear = (signal: NodeJS.Signals) => {
      times += 1;
      if (times === 1) return resolve(signal);
      stack.killAll();
      process.exit(EXIT_FORCED);
    };
    process.on("SIGINT", hear);
    process.on("SIGTERM", hear);
  });
}

interface StartView {
  readonly change: (change: PhaseChange) => void;
  readonly line: (service: string, line: string) => void;
  /** From then on, changes are told as sentences. */
  endStart(): void;
}

function startView(names: readonly string[], verbose: boolean): StartView {
  // Lines of logs between redrawn lines would be unreadable.
  const isTTY = process.stdout.isTTY === true && !verbose;
  const write = (text: string) => void process.stdout.write(text);
  const progress = new Progress(names, { isTTY, write });
  let starting = true;
  const tell = ({ name, phase, detail }: PhaseChange) => {
    if (phase === "backing_off") say(`! ${name}: ${detail}`);
    if (phase === "healthy") say(`✓ ${name} is ready again`);
  };
  return {
    change: (change) => (starting ? progress.update(change, Date.now()) : tell(change)),
    line: (service, line) => {
      if (verbose) say(`${service.padEnd(11)} | ${line}`);
    },
    endStart: () => {
      starting = false;
      progress.finish();
    },
  };
}

function welcome({ services, urls, logDir }: Stack): string {
  if (!services.includes("console")) {
    const rows = services.map((name) => `  ${name.padEnd(11)}  ${withoutPassword(urls[name])}`);
    return `\nRunning:\n${rows.join("\n")}\n\nLogs: ${logDir}\nCtrl-C stops everything.`;
  }
  return `
Concert is running:  ${urls.console}

Try first: open a new session and say
  Book the Grand Hotel Miramar in Lisbon from 3 to 5 March for 2 guests
then approve the booking, and look at its record.

Logs: ${logDir}
Ctrl-C stops everything. While it runs, kill any process you like: nothing is lost.`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
