/** Publishing what was written: what has to be looked at, who has to agree, who may read, and what a no leaves. */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import {
  anyonePolicy,
  type Command,
  celPolicy,
  contractsFromYaml,
  defineContracts,
  encodeId,
  type JsonObject,
  loadCatalog,
  type Principal,
  type TaskDefinition,
} from "../src/index.ts";
import { ANNA, FRED, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const BORIS: Principal = { ...ANNA, user: "boris" };
const OLGA: Principal = { ...ANNA, user: "olga", roles: ["owner"] };
const schema = { type: "object", required: ["text"] };
const inputSchema = {
  type: "object",
  properties: { text: { type: "string" }, of: { type: "string" } },
} as const;
const FINANCE = { kind: "group", name: "finance" } as const;

const writing = (artifactType: string): TaskDefinition => ({
  name: `write_${artifactType}`,
  description: "Write it down.",
  inputSchema,
  policies: ["anyone"],
  steps: [
    {
      kind: "artifact",
      id: "write",
      artifactType,
      title: () => "A paper",
      content: ({ payload }) => payload,
    },
  ],
  result: ({ results }) => results["write"] as JsonObject,
});
const publishing = (name: string, more: Partial<TaskDefinition> = {}): TaskDefinition => ({
  name,
  description: "Let everybody read it.",
  inputSchema,
  policies: ["looked_at"],
  steps: [{ kind: "publish", id: "publish", artifact: ({ payload }) => String(payload["of"]) }],
  result: ({ results }) => results,
  ...more,
});

const contracts = defineContracts((catalog) => {
  catalog.policy(
    celPolicy({
      name: "looked_at",
      version: "1",
      category: "data_safety",
      rules: [
        {
          when: "has(payload.text) && payload.text.contains('IBAN')",
          decision: "deny",
          reason: "an account number stays in the house",
        },
      ],
      otherwise: { decision: "allow", reason: "nothing was found" },
    }),
  );
  catalog.approvalType({ name: "release", description: "Published.", defaultExpiryMinutes: 60 });
  catalog.approvalType({
    name: "optional",
    description: "Published, or only kept.",
    defaultExpiryMinutes: 60,
    onRejected: "go_on",
  });
  const kinds = {
    paper: { visibility: "requester", rendering: "markdown" },
    leaflet: { publication: "free" },
    secret: { publication: "never" },
  } as const;
  for (const [name, kind] of Object.entries(kinds)) {
    catalog.artifactType({ name, description: name, contentSchema: schema, ...kind });
    catalog.task(writing(name));
  }
  catalog.task(writing("file"));
  catalog.task(publishing("publish"));
  catalog.task(publishing("release", { approval: { type: "release", approver: FINANCE } }));
  const [publish] = publishing("").steps;
  catalog.task({
    ...publishing("investigate", { approval: { type: "optional", approver: FINANCE } }),
    steps: [
      {
        kind: "artifact",
        id: "write",
        artifactType: "paper",
        title: () => "Findings",
        content: ({ payload }) => payload,
      },
      {
        ...(publish as { kind: "publish"; id: string }),
        dependsOn: ["write"],
        artifact: ({ results }) => String((results["write"] as JsonObject)["artifact_id"]),
      },
      {
        kind: "connector",
        id: "buy",
        connector: "shop",
        operation: "buy",
        effectType: "shop.buy",
        dependsOn: ["write"],
        input: () => ({ item: "frame" }),
      },
    ],
    inputSchema: { ...inputSchema, required: ["order_id", "text"] },
  });
});

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ more: () => contracts });
});
afterAll(() => h.stop());

const submit = async (taskName: string, payload: JsonObject, principal = ANNA) => {
  const request = { taskName, payload, principal, traceId: TRACE } as const;
  return (await h.concord.commands.submit({ ...request, ingress: "user_request" })).command;
};
const run = async (taskName: string, payload: JsonObject, as = ANNA) =>
  h.settled(await submit(taskName, payload, as));
const written = async (type: string) =>
  String(((await run(`write_${type}`, { text: "hello" })).result as JsonObject)["artifact_id"]);
const decide = async (command: Command, decision: "approved" | "rejected") => {
  const { approvalId } = await h.approvalOf(command);
  const id = encodeId("approval", approvalId);
  await h.concord.approvals.resolve({ approvalId: id, decision, principal: FRED, traceId: TRACE });
  return h.settled(command);
};
const statusOf = async (id: string) => (await h.concord.artifacts.get(OLGA, id)).status;

describe("publication", () => {
  test("ART-8 without a person's consent nothing is published that needs it", async () => {
    const paper = await written("paper");
    const done = await run("publish", { of: paper });
    expect([done.status, done.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(done.error).toMatch(/when a person agreed, and nobody was asked/);
    expect(await statusOf(paper)).toBe("validated");
  });

  test("ART-8 agreed, it is published, once, as an event; rejected, it is not", async () => {
    const [yes, no] = [await written("paper"), await written("paper")];
    const released = await submit("release", { of: yes });
    expect(await statusOf(yes)).toBe("validated");
    expect((await decide(released, "approved")).status).toBe("succeeded");
    const refused = await decide(await submit("release", { of: no }), "rejected");
    expect([refused.status, refused.errorClass]).toEqual(["failed", "approval_rejected"]);
    expect([await statusOf(yes), await statusOf(no)]).toEqual(["published", "validated"]);
    await decide(await submit("release", { of: yes }), "approved");
    const events = await h.rows(
      "SELECT purpose FROM concord.domain_events WHERE event_type = 'artifact_published' AND target_id = $1",
      [yes],
    );
    expect(events).toEqual([{ purpose: "event" }]);
  });

  test("ART-8 ART-10 what may go freely goes, what never may does not, what nobody checked cannot", async () => {
    expect((await run("publish", { of: await written("leaflet") })).status).toBe("succeeded");
    const secret = await submit("release", { of: await written("secret") });
    expect((await decide(secret, "approved")).error).toBe("a secret is never published");
    const file = await submit("release", { of: await written("file") });
    expect((await decide(file, "approved")).error).toMatch(/the file is created; what fits/);
    expect((await run("publish", { of: "art_nothing" })).error).toMatch(/no artifact of that id/);
  });

  test("ART-8 a policy of data safety says no before anybody is asked, and nothing is written", async () => {
    const payload = { order_id: "unsafe", text: "IBAN DE00" };
    const done = await run("investigate", payload);
    expect([done.status, done.error]).toEqual(["failed", "an account number stays in the house"]);
    expect(
      await h.rows("SELECT 1 FROM concord.artifacts WHERE command_id = $1", [done.commandId]),
    ).toEqual([]);
  });

  test("ART-8 a task that publishes without a look for what may not leave does not load", () => {
    const careless = defineContracts((catalog) => {
      catalog.task(publishing("careless", { policies: ["anyone"] }));
      catalog.policy(anyonePolicy("anyone", "all may"));
    });
    expect(() => loadCatalog([careless])).toThrow(
      'task "careless" publishes an artifact without an enforced policy of the category data_safety',
    );
  });
});

describe("a rejection", () => {
  test("APR-13 X-48 by its type it ends the command, or the rest of it goes on without what leaves", async () => {
    const payload = { order_id: "rejected", text: "what was found" };
    const command = await submit("investigate", payload);
    const done = await decide(command, "rejected");
    expect([done.status, done.error]).toEqual(["succeeded", null]);
    const { write, publish, buy } = done.result as Record<string, JsonObject>;
    expect([publish, buy]).toEqual([{ skipped: true }, { skipped: true }]);
    expect(await statusOf(String(write?.["artifact_id"]))).toBe("validated");
    expect(h.vendor.purchases.has("buy:rejected")).toBe(false);
    const [effect] = await h.effects(command);
    expect(effect).toMatchObject({ status: "planned", attempts: 0 });
    const { entries } = await h.concord.timeline(ANNA, encodeId("command", command.commandId));
    expect(entries.map(({ title }) => title)).toEqual(
      expect.arrayContaining([
        "fred decided: rejected",
        "Left out publish: it was rejected",
        "Left out buy: it was rejected",
        "Moved from waiting_for_approval to queued",
      ]),
    );
  });

  test("APR-13 the same, agreed: everything is done", async () => {
    const payload = { order_id: "agreed", text: "what was found" };
    const done = await decide(await submit("investigate", payload), "approved");
    expect(done.status).toBe("succeeded");
    const { write } = done.result as Record<string, JsonObject>;
    expect(await statusOf(String(write?.["artifact_id"]))).toBe("published");
    expect(h.vendor.purchases.has("buy:agreed")).toBe(true);
  });
});

describe("who may read", () => {
  test("ART-10 what is for its requester is there for them, owners and auditors, until it is published", async () => {
    const paper = await written("paper");
    const read = (as: Principal) => refusalOf(h.concord.artifacts.get(as, paper));
    expect([await read(ANNA), await read(OLGA), await read(BORIS)]).toEqual([
      undefined,
      undefined,
      "not_found",
    ]);
    expect(await refusalOf(h.concord.artifacts.lineage(BORIS, paper))).toBe("not_found");
    // Neither does a command of somebody else reach it.
    const stolen = await submit("release", { of: paper }, BORIS);
    expect((await decide(stolen, "approved")).error).toMatch(/no artifact of that id/);
    await decide(await submit("release", { of: paper }), "approved");
    expect(await read(BORIS)).toBeUndefined();
  });

  test("ART-10 over HTTP it says who may read it and how it is shown", async () => {
    const auth = {
      serviceKey: "service",
      internalSecret: "unused-in-this-test",
      operatorKeys: [parseOperatorKey("anna=t1:anna"), parseOperatorKey("boris=t1:boris")],
    };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    const paper = await written("paper");
    const get = async (key: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const response = await app.request(`/artifacts/${paper}`, { headers });
      return { status: response.status, body: await response.json() };
    };
    expect((await get("anna")).body).toMatchObject({
      visibility: "requester",
      rendering: "markdown",
      status: "validated",
    });
    expect((await get("boris")).status).toBe(404);
  });

  test("ART-10 a type is checked when it is registered: its schema, its publication, its lineage", () => {
    const yaml = `
artifact_type: { name: note, description: A note., publication: free, visibility: requester, rendering: text }
---
artifact_type: { name: finding, description: Found., lineage_required: true, content_schema: { type: nonsense } }
---
policy: { name: anyone, version: "1", category: permission, rules: [], otherwise: { decision: allow, reason: all } }
---
task:
  name: find
  policies: [anyone]
  input_schema: { type: object }
  steps:
    - { id: find, artifact: { type: finding, title: Found, content: {} } }
---
task:
  name: publish
  policies: [anyone]
  input_schema: { type: object }
  steps: [{ id: publish, publish: "{results.find.artifact_id}" }]
`;
    const load = () => loadCatalog([contractsFromYaml(yaml, "notes.yaml")]);
    for (const problem of [
      'artifact type "note": what is published was validated, so it needs a contentSchema',
      'artifact type "finding": contentSchema',
      'step "find" does not say what the finding is made from; name steps in dependsOn',
      'notes.yaml:15: task "publish": step "publish": {results.find.artifact_id} is not of a step that it depends on',
    ]) {
      expect(load).toThrow(problem);
    }
  });

  test("ART-10 visibility stands in the row, and there are two words for it", async () => {
    const [row] = await h.rows(
      `SELECT a.visibility FROM concord.artifacts a WHERE artifact_type = 'paper' LIMIT 1`,
    );
    expect(row).toEqual({ visibility: "requester" });
    const wrong = h.rows("UPDATE concord.artifacts SET visibility = 'world'");
    await expect(wrong).rejects.toThrow("artifacts_visibility");
  });
});
