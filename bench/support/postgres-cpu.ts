/** Owns the processor time of a Postgres server on this machine (Linux), those of its processes that ended included. */
import { readdirSync, readFileSync } from "node:fs";
import type pg from "pg";

const TICKS_A_SECOND = 100;

/** Seconds so far; undefined where the server's processes cannot be seen from here. */
export async function postgresCpuSeconds(pool: pg.Pool): Promise<number | undefined> {
  const { rows } = await pool.query<{ text: string }>(
    "SELECT pg_read_file('postmaster.pid') AS text",
  );
  const main = rows[0]?.text.split("\n")[0] ?? "";
  const own = statOf(main);
  if (own === undefined) return undefined;
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => statOf(id) ?? [])
    .filter(({ parent }) => parent === main);
  const ticks = children.reduce((sum, { ticks }) => sum + ticks, own.ticks + own.ticksOfEnded);
  return ticks / TICKS_A_SECOND;
}

function statOf(processId: string) {
  try {
    // After the name, which may hold anything: state, parent, …, user and system time, those of ended children.
    const fields = readFileSync(`/proc/${processId}/stat`, "utf8").split(") ").at(-1)?.split(" ");
    if (fields === undefined) return undefined;
    const at = (index: number) => Number(fields[index]);
    return { parent: fields[1], ticks: at(11) + at(12), ticksOfEnded: at(13) + at(14) };
  } catch {
    return undefined;
  }
}
