/**
 * Owns what an operator's command is (name, arguments, flags, what it asks and shows), and what many of them have in
 * common: pages, one thing, ids. The commands themselves are in families.ts and beside it.
 */
import type { Api, Service } from "./api.ts";
import { columns, fields, type Row } from "./render.ts";

export interface Flag {
  /** As commander writes it, e.g. `--status <status>`. */
  readonly flags: string;
  readonly help: string;
}

export interface Given {
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
}

export interface Outcome {
  /** For `--json`. */
  readonly value: unknown;
  /** For people. */
  readonly text: string;
  /** 0 unless what was checked is not as it should be: then 3. */
  readonly exitCode?: 0 | 3;
}

export interface Operation {
  readonly name: string;
  readonly summary: string;
  readonly args?: readonly { readonly name: string; readonly help: string }[];
  readonly flags?: readonly Flag[];
  /** Needs no running Concord. */
  readonly offline?: true;
  run(api: Api, given: Given): Promise<Outcome>;
}

export interface Family {
  readonly name: string;
  /** Who is asked; default Concord. */
  readonly service?: Service;
  readonly summary: string;
  readonly operations: readonly Operation[];
}

export const ID = (what: string) => ({ name: "id", help: `the id of the ${what}` });
export const PAGING: readonly Flag[] = [
  { flags: "--limit <n>", help: "how many at most (1 to 200)" },
  { flags: "--cursor <cursor>", help: "go on where an earlier page ended" },
];
export const REASON: Flag = { flags: "--reason <text>", help: "why, for the record" };
export const NOT_INTACT = 3;

export const path = (text: TemplateStringsArray, ...parts: readonly (string | undefined)[]) =>
  text.map((one, n) => one + (n < parts.length ? encodeURIComponent(parts[n] ?? "") : "")).join("");

/** A page as columns, and how to get the next one. Concord says `next_cursor`, the gateway `nextCursor`. */
export function page(
  answer: unknown,
  names: readonly string[],
  nothing: string,
  shown: (row: Row) => Row = (row) => row,
): Outcome {
  const { items, next_cursor, nextCursor } = answer as {
    items: readonly Row[];
    next_cursor?: string | null;
    nextCursor?: string | null;
  };
  const next = next_cursor ?? nextCursor;
  const more = typeof next === "string" ? `\n\nMore: --cursor ${next}` : "";
  return { value: answer, text: `${columns(items.map(shown), names, nothing)}${more}` };
}

export const one = (answer: unknown): Outcome => ({ value: answer, text: fields(answer as Row) });

export function listing(
  what: string,
  at: string,
  names: readonly string[],
  filters: readonly Flag[],
): Operation {
  return {
    name: "list",
    summary: `list ${what}, newest first`,
    flags: [...filters, ...PAGING],
    run: async (api, { flags }) => {
      const query = Object.fromEntries(Object.entries(flags).map(([k, v]) => [snake(k), v]));
      return page(await api.ask({ path: at, query }), names, `There are no ${what}.`);
    },
  };
}

export function showing(what: string, at: string): Operation {
  return {
    name: "show",
    summary: `show one ${what}`,
    args: [ID(what)],
    run: async (api, { args: [id] }) => one(await api.ask({ path: `${at}/${path`${id}`}` })),
  };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`that is not JSON: ${reason}`);
  }
}
