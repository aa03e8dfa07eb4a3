/**
 * Owns the commands that a transaction holds: locked or made in it, so that nobody else can change them. What it
 * changes of one is known here at once, and written as one update, however many changes there were.
 */
import { sql, type UpdateObject } from "kysely";
import type { ClientBase } from "pg";
import type { Command } from "../core/command.ts";
import type { CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { building, fixed } from "./fixed.ts";
import { jsonb, type Tables } from "./schema.ts";
import { type Compiled, type OpenTransaction, openTransaction } from "./transaction.ts";

export type Columns = UpdateObject<Tables, "concord.commands", "concord.commands">;

interface Held {
  command: Command;
  /** Made in this transaction: nobody else can know of it. */
  readonly isNew: boolean;
  /** The database's time for this transaction. */
  readonly now: string;
  /** Columns to write; undefined when the row in the table is as it is here. */
  changes: Columns | undefined;
  /** Results of steps to add to the row's. */
  results: JsonObject;
}
export interface Change {
  readonly command: Partial<Command>;
  readonly columns?: Columns;
  readonly result?: JsonObject;
}

const heldIn = new WeakMap<OpenTransaction, Map<CommandId, Held>>();

export class HeldRows {
  readonly #client: ClientBase;

  constructor(client: ClientBase) {
    this.#client = client;
  }

  /** From here on `command` is changed here, until the transaction ends. */
  hold(command: Command, now: string, isNew = false): void {
    this.#all()?.set(command.commandId, { command, now, isNew, changes: undefined, results: {} });
  }

  /** Whether it was made in this transaction. */
  isNew(id: CommandId): boolean {
    return this.#all()?.get(id)?.isNew === true;
  }

  /** As it now is; undefined when this transaction does not hold it. */
  find(id: CommandId): { readonly command: Command; readonly now: string } | undefined {
    return this.#all()?.get(id);
  }

  /** Changes a row that is held; as it then is. */
  async change(id: CommandId, change: Change): Promise<Command> {
    const held = this.#all()?.get(id);
    if (held === undefined) throw new Error(`the command ${id} is not held`);
    const { result = {}, columns } = change;
    const stepResults = { ...held.command.stepResults, ...result };
    held.command = { ...held.command, stepResults, ...change.command, updatedAt: held.now };
    held.results = { ...held.results, ...result };
    const isKept = held.changes !== undefined;
    held.changes = { ...held.changes, ...columns };
    if (!isKept) {
      const compile = () => this.#compile(id, held);
      const write = { table: "commands", kind: "update", row: id, compile } as const;
      await openTransaction(this.#client)?.later(write);
    }
    return held.command;
  }

  #compile(id: CommandId, held: Held) {
    const { changes = {}, results } = held;
    held.changes = undefined;
    held.results = {};
    const written = Object.keys(results).length === 0 ? {} : { $results: jsonb(results) };
    return updateOf(changes, "$results" in written)({ ...changes, ...written, $id: id });
  }

  #all(): Map<CommandId, Held> | undefined {
    const transaction = openTransaction(this.#client);
    if (transaction === undefined) return undefined;
    const known = heldIn.get(transaction) ?? new Map<CommandId, Held>();
    heldIn.set(transaction, known);
    return known;
  }
}

type Values = Readonly<Record<string, unknown>>;
const updates = new Map<string, (values: Values) => Compiled>();

/** The update of these columns. What is no value is the time of the transaction, in whatever column. */
function updateOf(columns: Columns, hasResults: boolean): (values: Values) => Compiled {
  const entries = Object.entries(columns);
  const key = `${entries.map(([name, value]) => (isExpression(value) ? `${name}!` : name))} ${hasResults}`;
  const known = updates.get(key);
  if (known !== undefined) return known;
  const place = (places: Values, [name, value]: readonly [string, unknown]) =>
    [name, isExpression(value) ? value : places[name]] as const;
  const fresh = fixed<Values>((places) => {
    const update = building
      .updateTable("concord.commands")
      .set(Object.fromEntries(entries.map((entry) => place(places, entry))) as Columns)
      .set({ updated_at: sql`now()` })
      .where("command_id", "=", places["$id"] as string);
    return hasResults
      ? update.set({ step_results: sql`step_results || ${places["$results"]}::jsonb` })
      : update;
  });
  updates.set(key, fresh);
  return fresh;
}

function isExpression(value: unknown): boolean {
  return typeof value === "object" && value !== null && "toOperationNode" in value;
}
