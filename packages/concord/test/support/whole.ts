/** Owns what has to hold of a command whatever was cut off or failed on its way, and a random source by seed. */
import type pg from "pg";
import { expect } from "vitest";
import { canTransition, NO_FACTS } from "../../src/core/transitions.ts";
import type { CommandStatus } from "../../src/index.ts";

interface Told {
  readonly event_type: string;
  readonly payload: Record<string, unknown>;
}

/** Whatever was cut: one legal path without a gap, every effect once, and a record that tells all of it. */
export async function expectWhole(pool: pg.Pool, external: string): Promise<void> {
  const id = external.replace("cmd_", "");
  const { rows: told } = await pool.query<Told>(
    "SELECT event_type, payload FROM concord.domain_events WHERE command_id = $1 ORDER BY transaction_id, seq",
    [id],
  );
  const count = (type: string) => told.filter((one) => one.event_type === type).length;
  expect([count("command_created"), count("plan_created")]).toEqual([1, 1]);
  const all = Object.fromEntries(
    Object.keys(NO_FACTS).map((key) => [key, true]),
  ) as unknown as typeof NO_FACTS;
  let at: unknown = "created";
  for (const { payload } of told.filter((one) => one.event_type === "state_transitioned")) {
    const { from, to } = payload as { from: CommandStatus; to: CommandStatus };
    expect(from).toBe(at);
    const isLegal = canTransition(from, to, all) || canTransition(from, to);
    expect([from, to, isLegal]).toEqual([from, to, true]);
    at = to;
  }
  const { rows: effects } = await pool.query<{ effect_type: string; status: string }>(
    "SELECT effect_type, status FROM concord.domain_effects WHERE command_id = $1",
    [id],
  );
  for (const { effect_type, status } of effects) {
    const of = (type: string) =>
      told.filter((one) => one.event_type === type && one.payload["effect_type"] === effect_type)
        .length;
    expect([effect_type, status, of("effect_planned"), of("task_succeeded")]).toEqual([
      effect_type,
      "succeeded",
      1,
      1,
    ]);
    expect(of("task_started")).toBeGreaterThan(0);
  }
  const { rows } = await pool.query(
    `SELECT c.status, (SELECT count(*)::int FROM concord.connector_invocations i
       WHERE i.command_id = c.command_id AND i.status = 'started') AS unended,
      (SELECT count(*)::int FROM concord.artifacts a WHERE a.command_id = c.command_id) AS artifacts
     FROM concord.commands c WHERE command_id = $1`,
    [id],
  );
  expect(rows[0]).toMatchObject({ status: at, unended: 0 });
  expect(count("artifact_created")).toBe(rows[0]?.artifacts);
}

/** Mulberry32: the same seed, the same sample. */
export function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
