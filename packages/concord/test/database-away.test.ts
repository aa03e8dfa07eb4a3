import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import type { Health } from "../src/domain/health.ts";
import { readHealth } from "../src/health.ts";
import { postgresGround } from "../src/runtime/memory/ground.ts";
import { createMemoryRuntime } from "../src/runtime/memory/index.ts";
import { type DatabaseProxy, databaseProxy } from "./support/database-proxy.ts";
import { type Harness, startHarness } from "./support/harness.ts";

let proxy: DatabaseProxy;
let h: Harness;
let app: ConcordApp;
beforeAll(async () => {
  h = await startHarness({
    through: async (url) => {
      proxy = await databaseProxy(url);
      return proxy.databaseUrl;
    },
  });
  const operatorKeys = [parseOperatorKey("op=t1:anna:operator:buy")];
  const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(async () => {
  await h.stop();
  await proxy.away();
});

interface Answer {
  readonly command_id: string;
  readonly status: string;
  readonly ok: boolean;
  readonly missing: readonly string[];
  readonly error: { readonly code: string };
}
const ask = async (path: string, body?: object) => {
  const response = await app.request(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: "Bearer op", "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Answer;
  return { status: response.status, headers: response.headers, body: answer };
};
const order = (id: string) => ({
  task_name: "buy",
  payload: { order_id: id, item: "cup", amount: 3 },
  idempotency_key: id,
});

test("ERR-4 while the database is away every route says so and when to come back; then it serves by itself", async () => {
  const before = await ask("/commands", order("before"));
  expect(before.status).toBe(202);
  await proxy.away();
  const id = before.body.command_id;
  const asked = [
    ask("/commands", order("during")),
    ask(`/commands/${id}`),
    ask("/commands"),
    ask(`/commands/${id}/timeline`),
    ask(`/commands/${id}/cancel`, {}),
    ask("/approvals"),
    ask(`/artifacts/art_${"0".repeat(32)}`),
    ask("/events"),
    ask("/metrics"),
  ];
  for (const answer of await Promise.all(asked)) {
    expect([answer.status, answer.body.error.code]).toEqual([503, "unavailable"]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  const ready = await ask("/ready");
  expect([ready.status, ready.body.ok]).toEqual([503, false]);
  expect(ready.body.missing[0]).toContain("database");
  await proxy.back();
  await expect
    .poll(async () => (await ask("/commands", order("during"))).status, { timeout: 30_000 })
    .toBeLessThan(300);
  expect((await ask("/ready")).status).toBe(200);
  for (const key of ["before", "during"]) {
    await expect
      .poll(async () => (await ask("/commands", order(key))).body.status, { timeout: 40_000 })
      .toBe("succeeded");
    expect(h.vendor.purchases.has(`buy:${key}`)).toBe(true);
  }
  expect(h.vendor.purchases.size).toBe(2);
});

test("OPS-8 each part is told by itself: the database, the engine, schedules, and how long ago lost work was looked for", async () => {
  const health = async () => {
    const { status, body } = await ask("/health/parts");
    const { ok, parts } = body as unknown as Health;
    return { status, ok, parts };
  };
  const well = await health();
  expect(well).toMatchObject({
    status: 200,
    ok: true,
    parts: {
      database: { ok: true, problem: null, facts: { latency_ms: expect.any(Number) } },
      runtime: { ok: true, facts: { name: "dbos", live_executors: 1 } },
      schedules: { ok: true, facts: { active: expect.any(Number), paused: 0 } },
      reconciler: { ok: true, facts: { lag_seconds: expect.any(Number) } },
    },
  });
  await proxy.away();
  const away = await health();
  expect([away.status, away.ok]).toEqual([200, false]);
  expect([away.parts.database.ok, away.parts.runtime.ok]).toEqual([false, false]);
  expect(away.parts.database.problem).toMatch(/./);
  expect(away.parts.reconciler.ok).toBe(true);
  await proxy.back();
  await expect.poll(async () => (await health()).ok, { timeout: 30_000 }).toBe(true);
  // Nobody serves this engine, and nobody has looked for three rounds.
  const stuck = await readHealth({
    pool: h.pool,
    runtime: createMemoryRuntime({ ground: postgresGround(h.pool) }),
    reconciler: { sweptAtMs: () => Date.now() - 91_000, everyMs: 30_000 },
    migrationsMissing: async () => ["0099_next"],
  });
  expect(stuck).toMatchObject({
    ok: false,
    parts: {
      database: { problem: "missing migrations: 0099_next" },
      runtime: { problem: "no executor is alive" },
      reconciler: { ok: false, problem: expect.stringContaining("lost commands") },
    },
  });
});
