import { createLogger } from "@concert/service-kit";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { ERRORS } from "../src/api/errors.ts";
import { REFUSAL_CODES } from "../src/core/errors.ts";
import { type Harness, startHarness } from "./support/harness.ts";

interface Media {
  readonly schema?: object;
  readonly examples?: Record<string, { readonly value: { error: { code: string } } }>;
}
interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly responses: Record<
    string,
    { readonly description: string; readonly content?: Record<string, Media> }
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, { readonly properties?: object }>;
    readonly securitySchemes: object;
  };
}

let h: Harness;
let app: ConcordApp;
let doc: Document;
let ajv: Ajv2020;
const operations: { path: string; method: string; operation: Operation }[] = [];

beforeAll(async () => {
  h = await startHarness();
  const operatorKeys = [
    parseOperatorKey("op=t1:anna::buy"),
    parseOperatorKey("fin=t1:fred:finance:"),
  ];
  const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
  doc = (await (await app.request("/openapi.json")).json()) as Document;
  for (const [path, methods] of Object.entries(doc.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      operations.push({ path, method, operation });
    }
  }
  ajv = new Ajv2020({ strict: false });
  ajv.addSchema({ $id: "https://concord.test/doc", components: doc.components });
});
afterAll(() => h.stop());

describe("the API document", () => {
  test("API-11 every operation has a unique id, a summary and says who may ask", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(14);
    const schemes = Object.keys(doc.components.securitySchemes);
    for (const { operation } of operations) {
      expect(operation.summary).toBeTruthy();
      for (const one of operation.security ?? [{ missing: [] }]) {
        for (const scheme of Object.keys(one)) expect(schemes).toContain(scheme);
      }
    }
  });

  test("API-11 every reference resolves, and every component is used", () => {
    const text = JSON.stringify(doc);
    const refs = new Set(
      [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((m) => m[1]),
    );
    expect([...refs].sort()).toEqual(Object.keys(doc.components.schemas).sort());
  });

  test("API-10 every answer is described and typed; every refusal has the one error body and its codes", () => {
    for (const { path, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description, `${path} ${status}`).toBeTruthy();
        const [media] = Object.values(response.content ?? {});
        expect(media?.schema, `${path} ${status}`).toBeDefined();
        if (Number(status) < 400 || path === "/ready") continue;
        expect(media?.schema).toEqual({ $ref: "#/components/schemas/Error" });
        for (const { value } of Object.values(
          media?.examples ?? { none: { value: { error: { code: "" } } } },
        )) {
          const code = value.error.code as keyof typeof ERRORS;
          expect(ERRORS[code]?.status).toBe(Number(status));
        }
      }
      const isKeyed = (operation.security ?? []).length > 0;
      const statuses = Object.keys(operation.responses);
      if (isKeyed) expect(statuses).toEqual(expect.arrayContaining(["401", "500", "503"]));
    }
  });

  test("API-10 every refusal of the services has a status and appears in some route", () => {
    const text = JSON.stringify(doc.paths);
    for (const code of REFUSAL_CODES) {
      expect(ERRORS[code].status).toBeGreaterThanOrEqual(400);
      // A public submission never moves a status by itself, so nothing answers with this one.
      if (code !== "illegal_transition") expect(text).toContain(`"code":"${code}"`);
    }
  });
});

describe("real answers", () => {
  interface Ask {
    readonly body?: unknown;
    readonly key?: string;
  }
  /** Asks the running API and holds the answer against the document: the status is listed and the body fits. */
  async function holds(template: string, path: string, { body, key = "op" }: Ask = {}) {
    const method = body === undefined ? "get" : "post";
    const response = await app.request(path, {
      method: method.toUpperCase(),
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    const media = doc.paths[template]?.[method]?.responses[response.status]?.content;
    const schema = media?.["application/json"]?.schema;
    expect(schema, `${method} ${path}: ${response.status} is not in the document`).toBeDefined();
    const pointed = JSON.parse(
      JSON.stringify(schema).replaceAll('"#/components', '"https://concord.test/doc#/components'),
    );
    const validate = ajv.compile(pointed);
    expect(validate(answer), `${path}: ${JSON.stringify(validate.errors)}`).toBe(true);
    const name = /schemas\/([^/]+)$/.exec((schema as { $ref?: string }).$ref ?? "")?.[1];
    const known = Object.keys(doc.components.schemas[name ?? ""]?.properties ?? answer);
    expect(known).toEqual(expect.arrayContaining(Object.keys(answer)));
    const example = (answer["error"] as { code?: string } | undefined)?.code;
    if (response.status >= 400) {
      expect(Object.keys(media?.["application/json"]?.examples ?? {})).toContain(example);
    }
    return { status: response.status, body: answer };
  }
  const order = (id: string, amount: number) => ({
    task_name: "buy",
    payload: { order_id: id, item: "cup", amount },
    idempotency_key: id,
  });

  test("API-11 the main journey: each answer fits what is published", async () => {
    const made = await holds("/commands", "/commands", { body: order("doc", 900) });
    const id = String(made.body["command_id"]);
    const list = await holds("/approvals", `/approvals?command_id=${id}`);
    const [approval] = list.body["items"] as { approval_id: string }[];
    const approvalId = approval?.approval_id ?? "";
    await holds("/approvals/{id}", `/approvals/${approvalId}`);
    const decide = { body: { decision: "approved" } };
    const resolve = "/approvals/{id}/resolve";
    const refused = await holds(resolve, `/approvals/${approvalId}/resolve`, decide);
    expect(refused.status).toBe(403);
    const asFred = { ...decide, key: "fin" };
    expect((await holds(resolve, `/approvals/${approvalId}/resolve`, asFred)).status).toBe(200);
    expect((await holds(resolve, `/approvals/${approvalId}/resolve`, asFred)).status).toBe(409);
    await expect
      .poll(async () => (await holds("/commands/{id}", `/commands/${id}`)).body["status"], {
        timeout: 20_000,
      })
      .toBe("succeeded");
    const done = await holds("/commands/{id}", `/commands/${id}`);
    const { receipt } = done.body["result"] as { receipt: { artifact_id: string } };
    await holds("/artifacts/{id}", `/artifacts/${receipt.artifact_id}`);
    await holds("/commands/{id}/explain", `/commands/${id}/explain`);
    await holds("/audit/verify", "/audit/verify");
    await holds("/commands/{id}/timeline", `/commands/${id}/timeline`);
    await holds("/commands", "/commands?limit=3");
    await holds("/tools", "/tools");
    expect((await holds("/commands", "/commands", { body: order("doc", 900) })).status).toBe(200);
    await holds("/commands/{id}/cancel", `/commands/${id}/cancel`, { body: {} });
  });

  test.each([
    [400, "/commands", "/commands", { body: "{" }],
    [400, "/commands", "/commands", { body: { payload: 1 } }],
    [400, "/commands", "/commands", { body: { task_name: "buy", payload: { item: 1 } } }],
    [400, "/commands", "/commands?cursor=x", {}],
    [401, "/commands", "/commands", { key: "wrong" }],
    [401, "/commands", "/commands", { key: "service" }],
    [403, "/commands", "/commands", { body: order("denied", 1), key: "fin" }],
    [404, "/commands", "/commands", { body: { task_name: "sell", payload: {} } }],
    [404, "/commands/{id}", "/commands/cmd_1", {}],
    [409, "/commands", "/commands", { body: { ...order("doc", 7) } }],
    [400, "/events", "/events?after=x", {}],
    [200, "/ready", "/ready", {}],
    [200, "/health", "/health", {}],
  ])("API-10 a %s of %s fits what is published", async (status, template, path, asked) => {
    expect((await holds(template, path, asked)).status).toBe(status);
  });
});
