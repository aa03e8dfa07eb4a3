/**
 * Owns what a command of `concordance ctl` is: its words, its options, and what it is handed when it runs. One
 * table describes a command; parsing, `--help` and the refusals are made from it.
 */
import { parseArgs } from "node:util";
import type { ConcordanceClient } from "../../shared/client.ts";
import type { Target } from "./target.ts";

/** The command line cannot be used as it is. */
export class UsageError extends Error {}

/** What scripts can rely on. */
export const EXIT = {
  done: 0,
  /** The cluster answered, and refused: a condition, a missing key, a right. */
  refused: 1,
  usage: 2,
  /** Nobody who could serve was reached; nothing was done. */
  unreachable: 3,
  /** A write may or may not have happened; the message says how to ask again. */
  unknown: 4,
  /** A bug in this program. */
  broken: 70,
} as const;

export interface Option {
  /** Absent: a switch, which takes no value. */
  readonly placeholder?: string;
  readonly help: string;
}
export type Options = Readonly<Record<string, Option>>;

/** Where text comes from and goes; a terminal gets other defaults than a pipe. */
export interface Io {
  readonly stdin: () => Promise<string>;
  readonly stdinIsTerminal: boolean;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Calls back once when the person at the terminal has had enough. */
  readonly onInterrupt: (stop: () => void) => void;
}

export interface Call {
  readonly positionals: readonly string[];
  /** The value of an option, `""` for a switch that is set, or null. */
  readonly option: (name: string) => string | null;
  /** Throws for a command that is offline. */
  readonly target: Target;
  /** Of the target. */
  readonly client: ConcordanceClient;
  /** Names the write of this call, so that whoever must ask again can. */
  readonly requestId: string;
  readonly isJson: boolean;
  readonly io: Io;
  /** Prints an answer as the caller wants it. */
  readonly print: (answer: unknown, human: () => string) => void;
}

export interface Command {
  /** As typed, e.g. `put` or `cluster remove`. */
  readonly name: string;
  /** E.g. `<namespace> <key>`. */
  readonly arguments: string;
  readonly summary: string;
  readonly positionals: { readonly min: number; readonly max: number };
  readonly options: Options;
  /** Further paragraphs of its help. */
  readonly notes?: readonly string[];
  /** Whether it talks to a cluster at all. */
  readonly isOffline?: true;
  readonly run: (call: Call) => Promise<void>;
}

export interface Parsed {
  readonly positionals: readonly string[];
  readonly values: ReadonlyMap<string, string>;
}

/** Throws `UsageError` with what is accepted. */
export function parseWords(words: readonly string[], options: Options): Parsed {
  const config = Object.entries(options).map(([name, { placeholder }]) => {
    return [name, { type: placeholder === undefined ? "boolean" : "string" }] as const;
  });
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: Object.fromEntries(config),
      allowPositionals: true,
    });
    const set = Object.entries(values).map(([name, value]) => {
      return [name, value === true ? "" : String(value)] as const;
    });
    return { positionals, values: new Map(set) };
  } catch (error) {
    const accepted = Object.keys(options).map((name) => `--${name}`);
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${why.split(". ")[0]}. Accepted: ${accepted.join(" ")}`);
  }
}

/** A whole number from `min`, or null when the option is absent. */
export function wholeNumber(option: Call["option"], name: string, min: number): number | null {
  const text = option(name);
  if (text === null) return null;
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(`--${name} needs a whole number from ${min}, got "${text}"`);
}

/** The text of an option's help, aligned. */
export function optionLines(options: Options): readonly string[] {
  const heads = Object.entries(options).map(([name, { placeholder, help }]) => {
    return [`--${name}${placeholder === undefined ? "" : `=<${placeholder}>`}`, help] as const;
  });
  const width = Math.max(...heads.map(([head]) => head.length));
  return heads.map(([head, help]) => `  ${head.padEnd(width)}  ${help}`);
}
