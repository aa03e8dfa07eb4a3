import { createLogger, signActor } from "@concert/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { createConcordClient } from "../src/client/index.ts";
import type { Principal } from "../src/index.ts";
import deals from "./support/deals.ts";
import { ANNA, EVE, type Harness, startHarness } from "./support/harness.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import trips from "./support/trips.ts";

const SECRET = "a-secret-for-tests-only";
const BEN: Principal = { ...ANNA, user: "ben", roles: ["board"] };
const OLGA: Principal = { ...ANNA, user: "olga", roles: ["operator"] };
let h: Harness;
let ledger: Ledger;
let app: ConcordApp;
beforeAll(async () => {
  ledger = await startLedger();
  process.env["TEST_LEDGER_URL"] = ledger.url;
  h = await startHarness({
    more: () => ({
      kind: "concord.contracts",
      register: (catalog) => {
        deals.register(catalog);
        trips.register(catalog);
      },
    }),
  });
  const auth = { serviceKey: "service", internalSecret: SECRET, operatorKeys: [] };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(async () => {
  await h.stop();
  await ledger.stop();
});

async function ask(as: Principal, path: string, body?: object) {
  const response = await app.request(path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: "Bearer service",
      "concert-actor": await signActor(as, "concord", SECRET),
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}
const client = (as: Principal) =>
  createConcordClient({
    url: "http://concord.test",
    key: "service",
    actorToken: () => signActor(as, "concord", SECRET),
    fetch: ((url: string, init: RequestInit) => app.request(url, init)) as typeof fetch,
  });
const submit = async (task_name: string, payload: object, more: object = {}) =>
  (await ask(ANNA, "/commands", { task_name, payload, ...more })).body;
const reaches = (id: string, status: string) =>
  expect
    .poll(async () => (await ask(ANNA, `/commands/${id}`)).body.status, { timeout: 20_000 })
    .toBe(status);
const code = (answer: { status: number; body: { error?: { code: string } } }) => [
  answer.status,
  answer.body.error?.code,
];

test("API-5 APR-12 over HTTP: changes are asked for, answered, delegated and approved", async () => {
  const made = await submit("deal_two_of_board", { item: "ship", price: 9 });
  const path = `/commands/${made.command_id}`;
  const pending = async () =>
    (await ask(BEN, `/approvals?status=pending&command_id=${made.command_id}`)).body.items[0];
  const first = await pending();
  const decide = (id: string, as: Principal, body: object) =>
    ask(as, `/approvals/${id}/resolve`, body);
  const wish = { decision: "request_changes", reason: "cheaper" };
  expect((await decide(first.approval_id, BEN, wish)).body).toMatchObject({
    status: "rejected",
    decision: "request_changes",
  });
  expect(code(await ask(BEN, `${path}/input`, { input: { price: 1 } }))).toEqual([
    403,
    "forbidden",
  ]);
  expect(code(await ask(EVE, `${path}/input`, { input: { price: 1 } }))).toEqual([
    404,
    "not_found",
  ]);
  expect(code(await ask(ANNA, `${path}/input`, { price: 1 }))).toEqual([400, "invalid_request"]);
  const answered = await client(ANNA).provideInput(made.command_id, { price: 1 });
  expect(answered.payload["price"]).toBe(1);
  expect(code(await ask(ANNA, `${path}/input`, { input: {} }))).toEqual([
    409,
    "illegal_transition",
  ]);
  const { approval_id: id, quorum } = await pending();
  expect(quorum).toBe(2);
  const named = await client(BEN).delegate(id, "dora");
  expect(named.delegations).toMatchObject([{ by: "ben", to: "dora" }]);
  const dora: Principal = { ...ANNA, user: "dora" };
  const once = { decision: "approved", idempotency_key: "dora-1" };
  expect((await decide(id, dora, once)).body).toMatchObject({
    status: "pending",
    votes: [{ by: "dora", on_behalf_of: "ben" }],
  });
  expect((await decide(id, dora, once)).status).toBe(200);
  const cleo: Principal = { ...BEN, user: "cleo" };
  expect((await decide(id, cleo, { decision: "approved" })).body.status).toBe("approved");
  await reaches(made.command_id, "succeeded");
});

test("API-5 CMD-20 over HTTP: a command waits for another, and a circle is refused", async () => {
  const parent = await submit("deal_yes_or_no", { item: "a" });
  const child = await submit(
    "note",
    { item: "b" },
    { depends_on: [{ command_id: parent.command_id }] },
  );
  const back = { depends_on: [{ command_id: child.command_id }] };
  const path = `/commands/${parent.command_id}/dependencies`;
  expect(code(await ask(ANNA, path, back))).toEqual([409, "dependency_cycle"]);
  const explained = await ask(ANNA, `/commands/${child.command_id}/explain`);
  expect(explained.body.reasons[0]).toMatchObject({ kind: "dependency", about: parent.command_id });
  await ask(ANNA, `/commands/${parent.command_id}/cancel`, {});
  await reaches(child.command_id, "cancelled");
});

test("OPS-4 CMP-15 over HTTP: a halted chain is an incident in the inbox, and an operator settles it", async () => {
  const made = await submit("trip", { trip_id: "http" });
  await reaches(made.command_id, "succeeded");
  ledger.faults.set("undo flight", ["refuse"]);
  expect((await ask(ANNA, `/commands/${made.command_id}/cancel`, {})).status).toBe(202);
  await reaches(made.command_id, "failed");
  const open = { status: "open", command_id: made.command_id, limit: 1 };
  const { items, next_cursor } = await client(OLGA).incidents(open);
  expect(next_cursor).toBeNull();
  expect(items).toMatchObject([{ kind: "compensation_exhausted", command_id: made.command_id }]);
  const path = `/incidents/${items[0]?.incident_id}`;
  expect((await ask(OLGA, path)).body).toEqual(items[0]);
  expect(code(await ask(EVE, path))).toEqual([404, "not_found"]);
  expect(code(await ask(ANNA, `${path}/settle`, { action: "retry" }))).toEqual([403, "forbidden"]);
  expect(code(await ask(OLGA, `${path}/settle`, { action: "skip" }))).toEqual([
    400,
    "validation_error",
  ]);
  const settled = await client(OLGA).settleIncident(items[0]?.incident_id ?? "", "retry");
  expect(settled).toMatchObject({ status: "closed", closed_by: "olga" });
  await reaches(made.command_id, "cancelled");
  expect(code(await ask(OLGA, `${path}/settle`, { action: "retry" }))).toEqual([
    409,
    "incident_closed",
  ]);
  expect((await ask(EVE, "/incidents")).body.items).toEqual([]);
});
