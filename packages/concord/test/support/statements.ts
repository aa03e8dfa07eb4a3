/**
 * Owns counting what a piece of work asks of the database: every statement of this process, at the connection, whoever
 * sends it. Work is told from what runs beside it (polls, heartbeats) by the transactions that name it.
 */
import pg from "pg";

export interface Statement {
  readonly text: string;
  readonly values: string;
  /** Sent behind one that was not answered yet: no round trip of its own. */
  readonly isBehind: boolean;
}

/** What one transaction sent, its begin and its end included; a statement of its own stands alone. */
export type Batch = readonly Statement[];

/** Records until `stop`. */
export function recordStatements() {
  const batches: Statement[][] = [];
  const open = new WeakMap<pg.Client, Statement[]>();
  const { query } = pg.Client.prototype;
  const record = (client: pg.Client, statement: Statement) => {
    const word = statement.text.trim().split(/\W/, 1)[0]?.toUpperCase();
    const batch = open.get(client) ?? [];
    if (batch.length === 0) batches.push(batch);
    batch.push(statement);
    if (word === "BEGIN" || word === "START") open.set(client, batch);
    if (word === "COMMIT" || word === "ROLLBACK") open.delete(client);
  };
  const unanswered = new WeakMap<pg.Client, number>();
  const count = (client: pg.Client, change: number) => {
    const now = (unanswered.get(client) ?? 0) + change;
    unanswered.set(client, now);
    return now;
  };
  const recording = function (this: pg.Client, ...args: unknown[]): unknown {
    record(this, { ...statementOf(args), isBehind: count(this, 1) > 1 });
    const answer: unknown = Reflect.apply(query, this, args);
    const answered = () => void count(this, -1);
    if (answer instanceof Promise) answer.then(answered, answered);
    else answered();
    return answer;
  };
  Object.assign(pg.Client.prototype, { query: recording });
  return {
    /** Those in which some value names the UUID, with or without its hyphens, in the order they began. */
    naming: (id: string): readonly Batch[] => {
      const names = [id, id.replaceAll("-", "")];
      const isAbout = ({ values }: Statement) => names.some((name) => values.includes(name));
      return batches.filter((batch) => batch.some(isAbout));
    },
    stop: () => {
      Object.assign(pg.Client.prototype, { query });
    },
  };
}

function statementOf([config, values]: readonly unknown[]): Omit<Statement, "isBehind"> {
  if (typeof config === "string") return { text: config, values: JSON.stringify(values ?? []) };
  const { text, values: own } = config as { text: string; values?: unknown };
  return { text, values: JSON.stringify(own ?? values ?? []) };
}
