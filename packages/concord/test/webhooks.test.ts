/** Webhooks coming in: signed over the exact bytes, within a window, one command an event. */
import { createHmac } from "node:crypto";
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { isSigned } from "../src/api/webhooks.ts";
import { defineContracts, loadCatalog } from "../src/index.ts";
import { type Harness, startHarness } from "./support/harness.ts";

const SECRET = "whsec-for-tests";
const webhooks = () =>
  defineContracts((catalog) => {
    catalog.webhook({
      provider: "shop-events",
      description: "The shop says that something is to be bought.",
      secretRef: "env:TEST_WEBHOOK_SECRET",
      task: "buy",
      tenant: "t1",
      permissions: ["buy"],
      eventId: (body) => (typeof body["id"] === "string" ? body["id"] : undefined),
      payload: (body) => ({ order_id: body["order"] ?? null, item: "lamp", amount: 5 }),
    });
  });

let h: Harness;
let app: ConcordApp;
beforeAll(async () => {
  process.env["TEST_WEBHOOK_SECRET"] = SECRET;
  h = await startHarness({ more: webhooks });
  const auth = { serviceKey: "service", internalSecret: "unused", operatorKeys: [] };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(() => h.stop());

const sign = (body: string, seconds = Math.floor(Date.now() / 1_000), secret = SECRET) =>
  `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
const deliver = async (
  body: string,
  signature: string | undefined = sign(body),
  provider = "shop-events",
) => {
  const response = await app.request(`/webhooks/${provider}`, {
    method: "POST",
    headers: { "content-type": "application/json", "webhook-signature": signature },
    body,
  });
  interface Answer {
    readonly command_id: string;
    readonly replayed: boolean;
    readonly error: { readonly code: string };
  }
  return { status: response.status, body: (await response.json()) as Answer };
};
const commands = async () =>
  Number(
    (
      await h.rows<{ n: string }>(
        "SELECT count(*) AS n FROM concord.commands WHERE ingress = 'external_webhook'",
      )
    )[0]?.n,
  );

describe("webhooks", () => {
  test("API-9 CMD-16 an event is one command of the configured tenant, however often it is delivered", async () => {
    const body = JSON.stringify({ id: "evt_1", order: "hook-1" });
    const first = await deliver(body);
    expect([first.status, first.body.replayed]).toEqual([202, false]);
    const again = await Promise.all([deliver(body), deliver(body), deliver(body)]);
    for (const one of again) {
      expect([one.status, one.body]).toEqual([
        200,
        { command_id: first.body.command_id, replayed: true },
      ]);
    }
    expect(await commands()).toBe(1);
    const [row] = await h.rows(
      "SELECT tenant_id, requested_by FROM concord.commands WHERE ingress = 'external_webhook'",
    );
    expect(row).toEqual({ tenant_id: "t1", requested_by: "webhook:shop-events" });
  });

  test("API-9 what is not signed, signed otherwise, too old or changed is refused, and leaves nothing", async () => {
    const before = await commands();
    const body = JSON.stringify({ id: "evt_2", order: "hook-2" });
    const now = Math.floor(Date.now() / 1_000);
    const bad = [
      "",
      sign(body, now, "other"),
      sign(body, now - 301),
      sign(body, now + 301),
      sign(`${body} `),
      `${sign(body)}0`,
    ];
    for (const signature of bad)
      expect((await deliver(body, signature)).status, signature).toBe(401);
    expect((await deliver(body, sign(body), "somebody-else")).status).toBe(401);
    expect(await commands()).toBe(before);
  });

  test("API-9 an event without an id, and another body under a known id, are refused", async () => {
    expect((await deliver(JSON.stringify({ order: "x" }))).status).toBe(400);
    await deliver(JSON.stringify({ id: "evt_3", order: "hook-3" }));
    const other = await deliver(JSON.stringify({ id: "evt_3", order: "hook-4" }));
    expect([other.status, other.body.error.code]).toEqual([409, "idempotency_conflict"]);
  });

  test("a signature is judged at the edge of its window", () => {
    const at = 1_800_000_000;
    const header = sign("{}", at);
    expect(isSigned(header, "{}", SECRET, (at + 300) * 1_000)).toBe(true);
    expect(isSigned(header, "{}", SECRET, (at + 300) * 1_000 + 1)).toBe(false);
  });

  test("a webhook that names no task, or twice the same provider, keeps a catalog from loading", () => {
    const base = {
      description: "",
      secretRef: "env:X",
      tenant: "t",
      eventId: () => "1",
      payload: () => ({}),
    } as const;
    const contracts = defineContracts((catalog) => {
      catalog.webhook({ ...base, provider: "a", task: "nothing" });
      catalog.webhook({ ...base, provider: "a", task: "nothing" });
    });
    expect(() => loadCatalog([contracts])).toThrow(/unknown task "nothing"[\s\S]*registered twice/);
  });
});
