/**
 * D3, SEC-7: no route shows or changes what is another tenant's. Generated from the API document, so that a new
 * route is asked too; one whose parameters this file cannot fill fails it.
 */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { encodeId } from "../src/index.ts";
import { FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly security?: readonly object[];
}

let h: Harness;
let app: ConcordApp;
let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
let ids: Readonly<Record<string, string>>;
let secrets: readonly string[];

beforeAll(async () => {
  process.env["CONCORD_WEBHOOK_T2__OTHER"] = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  h = await startHarness();
  const keys = ["own=t1:anna:owner|auditor|operator:buy", "other=t2:eve:owner|auditor|finance:buy"];
  const auth = {
    serviceKey: "service",
    internalSecret: "unused",
    operatorKeys: keys.map(parseOperatorKey),
  };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
  const document = (await (await app.request("/openapi.json")).json()) as { paths: typeof paths };
  paths = document.paths;
  const open = (await h.submit({ amount: 900, item: "hidden-lamp" })).command;
  const done = (await h.submit({ amount: 900, item: "hidden-lamp" })).command;
  const approval = await h.approvalOf(done);
  const approvalId = encodeId("approval", approval.approvalId);
  await h.concord.approvals.resolve({
    approvalId,
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });
  const { result } = await h.settled(done);
  const receipt = (result as { receipt: { artifact_id: string } }).receipt.artifact_id;
  const pending = encodeId("approval", (await h.approvalOf(open)).approvalId);
  const command = encodeId("command", open.commandId);
  const [incident] = await h.rows<{ id: string }>(
    `INSERT INTO concord.incidents (incident_id, tenant_id, command_id, root_command_id, kind, message)
     VALUES (gen_random_uuid(), 't1', $1, $1, 'outcome_unknown', 'hidden-lamp') RETURNING incident_id AS id`,
    [open.commandId],
  );
  const [endpoint] = await h.rows<{ id: string }>(
    `INSERT INTO concord.webhook_endpoints (endpoint_id, tenant_id, command_id, url, description, event_types,
       secret_ref, after_transaction, after_seq, created_by)
     VALUES (gen_random_uuid(), 't1', $1, 'https://example.com/hidden-lamp', 'hidden-lamp', '["nothing"]',
       'env:CONCORD_WEBHOOK_T1__LAMP', '0', 0, 'anna') RETURNING endpoint_id AS id`,
    [open.commandId],
  );
  const [delivery] = await h.rows<{ id: string }>(
    `INSERT INTO concord.webhook_deliveries (delivery_id, endpoint_id, tenant_id, event_id, event_type, status, error)
     SELECT gen_random_uuid(), $1, 't1', event_id, event_type, 'failed', 'hidden-lamp' FROM concord.domain_events
     WHERE command_id = $2 LIMIT 1 RETURNING delivery_id AS id`,
    [endpoint?.id, open.commandId],
  );
  await h.rows(
    `INSERT INTO concord.input_requests (input_request_id, tenant_id, command_id, question, asked_by, status, expires_at)
     VALUES (gen_random_uuid(), 't1', $1, 'hidden-lamp', 'policy', 'answered', now())`,
    [open.commandId],
  );
  ids = {
    "webhook-endpoints": encodeId("webhook", (endpoint?.id ?? "") as never),
    "webhook-deliveries": encodeId("delivery", (delivery?.id ?? "") as never),
    incidents: encodeId("incident", (incident?.id ?? "") as never),
    commands: command,
    approvals: pending,
    artifacts: receipt,
    schedules: "forget_ended_runs",
    webhooks: "nobody",
    notifications: encodeId("notification", "01890a5d-ac96-774b-bcce-b302099a8057"),
  };
  secrets = [
    "hidden-lamp",
    command,
    pending,
    receipt,
    approvalId,
    encodeId("command", done.commandId),
  ];
});
afterAll(() => h.stop());

const filled = (path: string): string => {
  const family = path.split("/")[1] ?? "";
  const id = ids[family];
  if (!path.includes("{")) return path;
  if (id === undefined) throw new Error(`say in this file what an id of ${path} is`);
  return path.replace(/\{[^}]+\}/, encodeURIComponent(id));
};
const BODIES: Readonly<Record<string, object>> = {
  "/approvals/{id}/resolve": { decision: "approved" },
  "/commands/{id}/cancel": {},
  "/commands/{id}/input": { input: { amount: 1 } },
  "/commands/{id}/dependencies": { depends_on: [{ command_id: `cmd_${"0".repeat(32)}` }] },
  "/approvals/{id}/delegate": { to: "eve" },
  "/webhook-endpoints/{id}": { description: "changed" },
  "/webhook-endpoints/{id}/rotate": { secret_ref: "env:CONCORD_WEBHOOK_T2__OTHER" },
  "/incidents/{id}/settle": { action: "resolve", note: "seen" },
  "/schedules/{name}/backfill": { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
};
const ask = async (key: string, method: string, path: string, query = "") => {
  const abort = new AbortController();
  const response = await app.request(`${filled(path)}${query}`, {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(method === "get" ? {} : { body: JSON.stringify(BODIES[path] ?? {}) }),
    signal: abort.signal,
  });
  if (response.headers.get("content-type")?.includes("event-stream")) {
    // Everything that is on record comes at once; what would be shown after that is shown by the next page.
    const text = await firstPart(response);
    abort.abort();
    return { status: response.status, text };
  }
  return { status: response.status, text: await response.text() };
};

async function firstPart(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const deadlineMs = Date.now() + 1_500;
  while (reader !== undefined && Date.now() < deadlineMs) {
    const part = await Promise.race([
      reader.read(),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 300)),
    ]);
    if (part === undefined || part.done) break;
    text += decoder.decode(part.value, { stream: true });
  }
  await reader?.cancel();
  return text;
}

const keyed = () =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => (operation.security ?? []).length > 0)
      .map(([method, operation]) => ({ path, method, operation })),
  );

describe("tenants", () => {
  test("SEC-7 AUD-5 no route answers another tenant with anything of this one", async () => {
    expect(keyed().length).toBeGreaterThan(15);
    for (const { path, method } of keyed()) {
      const query = path === "/events" ? "?after=0" : "";
      const { status, text } = await ask("other", method, path, query);
      for (const secret of secrets) {
        // Refusals repeat what was asked for; they say nothing about it.
        if (status < 300) expect(text, `${method} ${path}`).not.toContain(secret);
      }
      // An operator's key does not sign a webhook: nobody's key opens that door.
      const refused = path.startsWith("/webhooks") ? [401] : [403, 404];
      if (path.includes("{")) expect(refused, `${method} ${path}: ${text}`).toContain(status);
    }
  });

  test("SEC-7 naming another tenant's command in a filter finds nothing", async () => {
    for (const { path, method, operation } of keyed().filter((one) => one.method === "get")) {
      for (const { name } of operation.parameters ?? []) {
        if (!name.endsWith("command_id") || path === "/events") continue;
        const answer = await ask("other", method, path, `?${name}=${ids["commands"]}`);
        expect(JSON.parse(answer.text), `${path}?${name}`).toMatchObject({ items: [] });
        const own = await ask("own", method, path, `?${name}=${ids["commands"]}`);
        expect(JSON.parse(own.text).items.length, `${path}?${name}`).toBeGreaterThan(0);
      }
    }
  });

  test("API-8 no route that needs a key answers without one, or to a wrong one", async () => {
    for (const { path, method } of keyed()) {
      expect((await ask("wrong", method, path)).status, `${method} ${path}`).toBe(401);
      const bare = await app.request(filled(path), { method: method.toUpperCase() });
      expect(bare.status, `${method} ${path}`).toBe(401);
    }
  });

  test("the same questions are answered to whom it belongs", async () => {
    for (const path of [
      "/commands/{id}",
      "/commands/{id}/evidence",
      "/approvals/{id}",
      "/artifacts/{id}",
    ]) {
      expect((await ask("own", "get", path)).status, path).toBe(200);
    }
    expect(
      (await ask("own", "get", "/audit/events", "?event_type=approval_requested")).text,
    ).toContain(secrets[2]);
  });
});
