import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DomainEvent } from "../src/index.ts";
import { type Harness, refusalOf, startHarness } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

const INSERT = `INSERT INTO concord.domain_events (event_id, tenant_id, purpose, event_type, payload, actor, trace_id)
  VALUES (gen_random_uuid(), $1, 'audit', 'tick', jsonb_build_object('name', $2::text), 'test', 'trace')`;

async function collect(from: string, tenantId: string, count: number, onEach?: () => void) {
  const abort = new AbortController();
  const seen: DomainEvent[] = [];
  for await (const event of h.concord.events.read(from, { tenantId }, abort.signal)) {
    seen.push(event);
    onEach?.();
    if (seen.length >= count) break;
  }
  abort.abort();
  return seen;
}

const names = (events: readonly DomainEvent[]) =>
  events.map((event) => String(event.payload["name"]));

describe("event feed", () => {
  test("never misses and never repeats under commits that finish out of order", async () => {
    const from = await h.concord.events.now();
    const writers = 8;
    const each = 25;
    const reading = collect(from, "order", writers * each);
    await Promise.all(
      Array.from({ length: writers }, async (_unused, writer) => {
        for (let round = 0; round < each; round += 1) {
          const client = await h.pool.connect();
          await client.query("BEGIN");
          await client.query(INSERT, ["order", `${writer}:${round}`]);
          // Some transactions stay open while later ones commit.
          if ((writer + round) % 3 === 0) await client.query("SELECT pg_sleep(0.01)");
          await client.query("COMMIT");
          client.release();
        }
      }),
    );
    const seen = names(await reading);
    expect(new Set(seen).size).toBe(writers * each);
    for (let writer = 0; writer < writers; writer += 1) {
      const own = seen.filter((name) => name.startsWith(`${writer}:`));
      expect(own).toEqual(Array.from({ length: each }, (_unused, round) => `${writer}:${round}`));
    }
  });

  test("an open older transaction holds later rows back, and comes first when it commits", async () => {
    const from = await h.concord.events.now();
    const slow = await h.pool.connect();
    await slow.query("BEGIN");
    await slow.query(INSERT, ["held", "older"]);
    await h.pool.query(INSERT, ["held", "younger"]);
    const reading = collect(from, "held", 2);
    await slow.query("COMMIT");
    slow.release();
    expect(names(await reading)).toEqual(["older", "younger"]);
  });

  test("resuming at every cursor gives exactly the rest", async () => {
    const from = await h.concord.events.now();
    for (let index = 0; index < 10; index += 1)
      await h.pool.query(INSERT, ["resume", String(index)]);
    const all = await collect(from, "resume", 10);
    for (const [index, event] of all.slice(0, -1).entries()) {
      const rest = await collect(event.cursor, "resume", 9 - index);
      expect(names(rest)).toEqual(names(all.slice(index + 1)));
    }
  });

  test("a reader of one tenant sees no other", async () => {
    const from = await h.concord.events.now();
    await h.pool.query(INSERT, ["mine", "a"]);
    await h.pool.query(INSERT, ["theirs", "b"]);
    await h.pool.query(INSERT, ["mine", "c"]);
    expect(names(await collect(from, "mine", 2))).toEqual(["a", "c"]);
  });

  test("a made-up cursor is refused", async () => {
    expect(await refusalOf(collect("yesterday", "mine", 1))).toBe("invalid_cursor");
    expect(await refusalOf(collect("1; DROP TABLE", "mine", 1))).toBe("invalid_cursor");
  });

  test("the reader survives the end of its database connections", async () => {
    const from = await h.concord.events.now();
    const reading = collect(from, "broken", 1);
    await h.rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    await h.pool.query(INSERT, ["broken", "after"]);
    expect(names(await reading)).toEqual(["after"]);
  });
});
