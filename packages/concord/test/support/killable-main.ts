/**
 * Owns the Concord server with a trap: it dies, as by a power cut, at the n-th durable moment after it was armed.
 * A durable moment is a commit that wrote rows of Concord or of its runtime. Armed through stdin, so that the
 * server itself knows nothing of it: `arm before 7`, `arm after 7`, `arm never`, `report`.
 */
import pg from "pg";

type When = "before" | "after" | "never";
type Done = (error: unknown, result: unknown) => void;

const WRITE = /\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(concord|dbos)"?\."?(\w+)/i;
/** What happens by the clock, not by the work. */
const HOUSEKEEPING = new Set(["executors", "audit_seals", "queues", "application_versions"]);

const trap = { when: "never" as When, at: 0, moments: [] as string[] };
const open = new WeakMap<object, string[]>();

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

/** What a statement makes durable, or undefined. Keeps the writes of open transactions. */
function momentOf(client: object, text: string): string | undefined {
  const writes = open.get(client);
  if (/^\s*BEGIN/i.test(text)) open.set(client, []);
  if (/^\s*(COMMIT|ROLLBACK|END)\b/i.test(text)) {
    open.delete(client);
    return /^\s*ROLLBACK/i.test(text) || writes === undefined || writes.length === 0
      ? undefined
      : [...new Set(writes)].join(" ");
  }
  const [, schema, table] = WRITE.exec(text) ?? [];
  if (schema === undefined || table === undefined || HOUSEKEEPING.has(table)) return undefined;
  if (writes === undefined) return `${schema}.${table}`;
  writes.push(`${schema}.${table}`);
  return undefined;
}

type Query = (this: object, ...args: unknown[]) => unknown;
const original = pg.Client.prototype.query as unknown as Query;

function trapped(this: object, ...args: unknown[]): unknown {
  const [first] = args;
  const text = typeof first === "string" ? first : (first as { text?: unknown } | null)?.text;
  const moment = typeof text === "string" ? momentOf(this, text) : undefined;
  if (moment === undefined) return original.apply(this, args);
  trap.moments.push(moment);
  const isHere = trap.moments.length === trap.at;
  if (isHere && trap.when === "before") die();
  if (!isHere || trap.when !== "after") return original.apply(this, args);
  const callback = args.at(-1);
  if (typeof callback === "function") {
    const dying: Done = (error, result) => {
      die();
      (callback as Done)(error, result);
    };
    return original.apply(this, [...args.slice(0, -1), dying]);
  }
  return (original.apply(this, args) as Promise<unknown>).then((result) => {
    die();
    return result;
  });
}
pg.Client.prototype.query = trapped as unknown as typeof pg.Client.prototype.query;

let line = "";
process.stdin.on("data", (chunk) => {
  line += String(chunk);
  for (let end = line.indexOf("\n"); end >= 0; end = line.indexOf("\n")) {
    obey(line.slice(0, end));
    line = line.slice(end + 1);
  }
});

function obey(order: string): void {
  const [verb, when, at] = order.split(" ");
  if (verb === "arm") {
    trap.when = when as When;
    trap.at = Number(at ?? 0);
    trap.moments.splice(0);
  }
  process.stdout.write(`${JSON.stringify(trap.moments)}\n`);
}

await import("../../src/server/main.ts");
