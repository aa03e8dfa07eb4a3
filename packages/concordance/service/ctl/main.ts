/**
 * Owns `concordance ctl`: which command is meant, the settings that all share, help, and how a run ends. Refuses
 * to own: what a command does (its room), and the process (../main.ts).
 */
import { ConcordanceError, type FailureCode } from "../../shared/error.ts";
import { BACKUP_COMMANDS } from "./backups.ts";
import { CLUSTER_COMMANDS } from "./cluster.ts";
import {
  type Call,
  type Command,
  EXIT,
  type Io,
  type Options,
  optionLines,
  type Parsed,
  parseWords,
  UsageError,
} from "./command.ts";
import { ENTRY_COMMANDS } from "./entries.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { type Environment, TARGET_OPTIONS, targetOf } from "./target.ts";

const COMMANDS: readonly Command[] = [
  ...ENTRY_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...BACKUP_COMMANDS,
  ...KEY_COMMANDS,
];
const COMMON: Options = {
  json: { help: "Print the answer as JSON; errors too, on standard error." },
  help: { help: "Print this." },
};
const SHARED: Options = { ...TARGET_OPTIONS, ...COMMON };
const NOT_NOW: ReadonlySet<FailureCode> = new Set<FailureCode>([
  "unreachable",
  "unexpected_answer",
  "no_leader",
  "store_unreachable",
  "overloaded",
  "stopping",
  "behind",
]);
const EXIT_CODES =
  "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 nobody who could serve was reached (nothing was done), 4 a write may or may not have happened.";

/** Runs one command line, without the words `concordance ctl`. Resolves to the exit code; never throws. */
export async function runCtl(words: readonly string[], env: Environment, io: Io): Promise<number> {
  let requestId = "";
  try {
    const help = helpFor(words);
    if (help !== null) {
      io.out(help);
      return EXIT.done;
    }
    const command = commandOf(words);
    const parsed = parseWords(words.slice(wordsIn(command)), optionsOf(command));
    requestId = parsed.values.get("request-id") ?? crypto.randomUUID();
    await command.run(callOf(command, parsed, requestId, env, io));
    return EXIT.done;
  } catch (error) {
    return failed(error, requestId, words.includes("--json"), io);
  }
}

const wordsIn = ({ name }: Command) => name.split(" ").length;
const optionsOf = ({ options, isOffline }: Command): Options =>
  isOffline === true ? { ...options, ...COMMON } : { ...options, ...SHARED };

/** Throws `UsageError` when the words begin with no command. */
function commandOf(words: readonly string[]): Command {
  const [first = "", second = ""] = words;
  const found = COMMANDS.find(({ name }) => name === first || name === `${first} ${second}`);
  if (found !== undefined) return found;
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (group.length > 0) throw new UsageError(`say which: ${group.join(", ")}`);
  const known = COMMANDS.map(({ name }) => name).join(", ");
  throw new UsageError(
    first === "" ? `say what to do: ${known}` : `no command "${first}"; there are: ${known}`,
  );
}

/** The help that is asked for, or null. */
function helpFor(words: readonly string[]): string | null {
  if (!words.some((word) => word === "--help" || word === "-h")) return null;
  const named = words.filter((word) => !word.startsWith("-"));
  if (named.length === 0) return overview(COMMANDS);
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${named[0]} `));
  const isGroup = group.length > 0 && !group.some(({ name }) => name === `${named[0]} ${named[1]}`);
  return isGroup ? overview(group) : commandHelp(commandOf(named));
}

function overview(commands: readonly Command[]): string {
  const heads = commands.map(
    (one) => [`${one.name} ${one.arguments}`.trimEnd(), one.summary] as const,
  );
  const width = Math.max(...heads.map(([head]) => head.length));
  const lines = heads.map(([head, summary]) => `  ${head.padEnd(width)}  ${summary}`);
  return [
    "concordance ctl <command> [--option=value …]: asks a running cluster.",
    "",
    "Commands (each has its own --help):",
    ...lines,
    "",
    "Every command takes:",
    ...optionLines(SHARED),
    "",
    EXIT_CODES,
    "",
  ].join("\n");
}

function commandHelp(command: Command): string {
  const usage = `concordance ctl ${command.name} ${command.arguments}`.trimEnd();
  return [
    `${usage} [--option=value …]`,
    command.summary,
    "",
    ...optionLines(optionsOf(command)),
    "",
    ...(command.notes ?? []).flatMap((note) => [note, ""]),
    EXIT_CODES,
    "",
  ].join("\n");
}

function callOf(
  command: Command,
  { positionals, values }: Parsed,
  requestId: string,
  env: Environment,
  io: Io,
): Call {
  const { min, max } = command.positionals;
  if (positionals.length < min || positionals.length > max) {
    const usage = `concordance ctl ${command.name} ${command.arguments}`.trimEnd();
    throw new UsageError(`${positionals.length} arguments are not what it takes: ${usage}`);
  }
  const option = (name: string) => values.get(name) ?? null;
  const target = command.isOffline === true ? null : targetOf(option, env);
  const isJson = option("json") !== null;
  const print = (answer: unknown, human: () => string) =>
    io.out(isJson ? `${JSON.stringify(answer)}\n` : human());
  return {
    positionals,
    option,
    requestId,
    isJson,
    io,
    print,
    get target() {
      if (target === null) throw new Error(`${command.name} talks to no cluster`);
      return target;
    },
    get client() {
      return this.target.client;
    },
  };
}

function failed(error: unknown, requestId: string, isJson: boolean, io: Io): number {
  if (error instanceof UsageError) {
    const tell = { code: "usage", message: error.message };
    io.err(
      isJson ? errorLine(tell) : `concordance ctl: ${error.message}\nTry: concordance ctl --help\n`,
    );
    return EXIT.usage;
  }
  if (!(error instanceof ConcordanceError)) {
    io.err(
      `concordance ctl: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EXIT.broken;
  }
  const { code, message, details } = error;
  const isUnknown = code === "outcome_unknown" || code === "aborted";
  const again = isUnknown ? ` Ask again with --request-id=${requestId} to learn which.` : "";
  io.err(
    isJson
      ? errorLine({ code, message, details, requestId })
      : `concordance ctl: ${message}${again}\n`,
  );
  if (isUnknown) return EXIT.unknown;
  return NOT_NOW.has(code) ? EXIT.unreachable : EXIT.refused;
}

const errorLine = (error: object) => `${JSON.stringify({ error })}\n`;
