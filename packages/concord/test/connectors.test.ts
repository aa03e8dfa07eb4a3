import { createServer, type Server } from "node:http";
import { Writable } from "node:stream";
import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import {
  anyonePolicy,
  appNotificationConnector,
  type CallContext,
  type Command,
  type ConnectorDefinition,
  connectorScopePolicy,
  defineContracts,
  encodeId,
  httpConnector,
  httpJson,
  type Json,
  type JsonObject,
} from "../src/index.ts";
import { ANNA, EVE, FRED, type Harness, refusalOf, startHarness } from "./support/harness.ts";

const MODES = [
  "echo",
  "refuse",
  "throw",
  "shout",
  "base64",
  "unreachable",
  "key",
  "late",
  "nonsense",
] as const;
type Mode = (typeof MODES)[number];

let vendor: Server;
let vendorUrl: string;
let status = 200;
const asked: string[] = [];
const stalled: (() => void)[] = [];
const secrets = new Map<string, string>();
const logged: string[] = [];
let h: Harness;

/** A connector that does whatever a careless author might do with a secret. */
function leaky(mode: Mode, { secret = "", signal }: CallContext, context: CallContext) {
  switch (mode) {
    case "echo":
    case "refuse":
      return httpJson(() => vendorUrl)({ method: "GET", path: `/${mode}` }, context);
    case "unreachable":
      return httpJson(() => `http://127.0.0.1:1/${secret}`)({ method: "GET", path: "/" }, context);
    case "throw":
      throw new Error(`cannot use ${secret}`);
    case "shout":
      return Promise.resolve({
        ok: false,
        errorClass: "timeout",
        message: `with ${encodeURIComponent(secret)}`,
      } as const);
    case "base64": {
      const credential = Buffer.from(`user:${secret}`).toString("base64");
      return Promise.resolve({
        ok: true,
        output: { sent: `Basic ${credential}`, json: JSON.stringify([secret]) },
      } as const);
    }
    case "key":
      return Promise.resolve({
        ok: true,
        output: { [`x${secret}`]: { [secret]: [secret] } },
      } as const);
    case "late":
      return new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error(secret)), { once: true });
      });
    case "nonsense":
      return Promise.resolve({
        ok: true,
        output: { wrong: Number.NaN, [secret]: 1 } as JsonObject,
      } as const);
  }
}

beforeAll(async () => {
  vendor = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const told = JSON.stringify({
      error: { message: String(request.headers.authorization) },
      headers: request.headers,
    });
    if (request.url === "/stall") return void stalled.push(() => response.end("{}"));
    const code = request.url === "/refuse" ? 401 : status;
    response.writeHead(code, { "content-type": "application/json", "retry-after": "2" });
    response.end(told);
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  const address = vendor.address();
  vendorUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      logged.push(String(chunk));
      done();
    },
  });
  h = await startHarness({
    log: pino({ level: "trace" }, sink),
    more: () =>
      defineContracts((catalog) => {
        catalog.policy(anyonePolicy("open", "a test"));
        for (const mode of MODES) register(catalog, mode);
        catalog.policy(connectorScopePolicy("scoped", [{ connector: "web", operation: "read" }]));
        catalog.approvalType({ name: "telling", description: "d", defaultExpiryMinutes: 5 });
        catalog.connector(appNotificationConnector({ name: "inbox", keyTemplate: "tell:{id}" }));
        catalog.task({
          name: "tell",
          description: "Tell somebody.",
          inputSchema: { type: "object", required: ["id", "message"] },
          policies: ["open"],
          steps: [
            {
              kind: "connector",
              id: "tell",
              connector: "inbox",
              operation: "send_app_notification",
              effectType: "notification.app",
              input: ({ payload }) => payload["message"] as JsonObject,
            },
          ],
          result: ({ results }) => results["tell"] as JsonObject,
        });
        catalog.task({
          name: "write_out_of_scope",
          description: "Write where only reading is meant.",
          inputSchema: { type: "object", required: ["id", "call"] },
          policies: ["scoped"],
          approval: { type: "telling", approver: { kind: "group", name: "finance" } },
          tool: { name: "write_out_of_scope" },
          steps: [
            {
              kind: "connector",
              id: "go",
              connector: "web",
              operation: "write",
              effectType: "web.write",
              input: ({ payload }) => payload["call"] as JsonObject,
            },
          ],
          result: () => ({}),
        });
        catalog.connector(
          httpConnector({
            name: "web",
            plainHttp: true,
            privateRanges: ["127.0.0.1/32"],
            retry: { attemptsMax: 2, waitsSeconds: [0] },
            writing: { keyTemplate: "web:{id}", compensation: { notNeeded: "a test" } },
          }),
        );
        for (const [name, operation, effectType] of [
          ["read_page", "read", undefined],
          ["write_page", "write", "web.write"],
        ] as const) {
          catalog.task({
            name,
            description: "Reach a page.",
            inputSchema: { type: "object", required: ["id", "call"] },
            policies: ["open"],
            steps: [
              {
                kind: "connector",
                id: "go",
                connector: "web",
                operation,
                input: ({ payload }) => payload["call"] as JsonObject,
                ...(effectType === undefined ? {} : { effectType }),
              },
            ],
            result: ({ results }) => results["go"] as JsonObject,
          });
        }
      }),
  });
});
afterAll(async () => {
  await h.stop();
  vendor.closeAllConnections();
  vendor.close();
});

function register(catalog: Parameters<Parameters<typeof defineContracts>[0]>[0], mode: Mode): void {
  const connector: ConnectorDefinition = {
    name: `leaky_${mode}`,
    connectorType: "http",
    riskLevel: "low",
    auth: { mode: "bearer", secretRef: `env:LEAKY_${mode.toUpperCase()}` },
    operations: {
      use: {
        description: "Uses its secret carelessly.",
        sideEffect: true,
        keyTemplate: `${mode}:{id}`,
        compensation: { notNeeded: "a test" },
        timeoutMs: mode === "late" ? 50 : 20_000,
        retry: { attemptsMax: 2, waitsSeconds: [0] },
        call: (_input, context) => leaky(mode, context, context),
        lookup: async (_key, context) =>
          mode === "throw" ? leaky(mode, context, context) : undefined,
      },
    },
  };
  catalog.connector(connector);
  catalog.task({
    name: `leak_${mode}`,
    description: "Leaks.",
    inputSchema: { type: "object", required: ["id"] },
    policies: ["open"],
    steps: [
      {
        kind: "connector",
        id: "use",
        connector: connector.name,
        operation: "use",
        effectType: `leak.${mode}`,
        input: ({ payload }) => payload,
      },
      {
        kind: "artifact",
        id: "kept",
        artifactType: "report",
        dependsOn: ["use"],
        title: ({ results }) => JSON.stringify(results["use"]),
        content: ({ results }) => ({ used: results["use"] ?? null }),
      },
    ],
    result: ({ results }) => ({ used: results["use"] ?? null }),
  });
}

const run = async (task: string, payload: object): Promise<Command> => {
  const { command } = await h.concord.commands.submit({
    taskName: task,
    payload,
    principal: ANNA,
    ingress: "user_request",
    traceId: "0af7651916cd43dd8448eb211c80319c",
  });
  return h.settled(command);
};

/** Every text anywhere in the database, keys included, whatever it is wrapped in. */
async function everythingStored(): Promise<readonly string[]> {
  const tables = await h.rows<{ name: string }>(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('concord', 'dbos')",
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await h.rows<{ row: Json }>(`SELECT to_jsonb(t) AS row FROM ${name} t`);
    for (const { row } of rows) collect(row, found);
  }
  return found;
}

function collect(value: Json, into: string[]): void {
  if (typeof value === "string") into.push(value);
  if (typeof value !== "object" || value === null) return;
  for (const [key, one] of Object.entries(value)) {
    into.push(key);
    collect(one, into);
  }
}

describe("secrets", () => {
  test("SEC-3 CON-8 CON-9 planted secrets are in no row, no log line, no error, whatever the connector does with them", async () => {
    const secretText = fc
      .tuple(
        fc.string({ minLength: 8, maxLength: 12, unit: fc.constantFrom(..."0123456789abcdef") }),
        fc.string({ minLength: 0, maxLength: 12, unit: fc.constantFrom(...'+/ ="\\<&%~é') }),
      )
      .map(([one, two]) => `${one}${two}${one}`);
    let plants = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...MODES), secretText, async (mode, secret) => {
        plants += 1;
        // A header holds Latin-1 at most.
        process.env[`LEAKY_${mode.toUpperCase()}`] = secret;
        secrets.set(secret, mode);
        const command = await run(`leak_${mode}`, { id: `plant-${plants}` });
        expect(["succeeded", "failed"]).toContain(command.status);
        const { entries } = await h.concord.timeline(ANNA, encodeId("command", command.commandId));
        const told: string[] = [];
        collect(JSON.parse(JSON.stringify([command, entries])) as Json, told);
        expect(told.filter((text) => text.includes(secret))).toEqual([]);
      }),
      { numRuns: 27, endOnFailure: true },
    );
    const texts = [...(await everythingStored()), ...logged];
    for (const secret of secrets.keys()) {
      const forms = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
      const leaks = texts.filter((text) => forms.some((form) => text.includes(form)));
      expect([secrets.get(secret), leaks]).toEqual([secrets.get(secret), []]);
      const decoded = texts.flatMap((text) =>
        [...text.matchAll(/Basic ([A-Za-z0-9+/=]+)/g)].map(([, one = ""]) =>
          Buffer.from(one, "base64").toString(),
        ),
      );
      expect(decoded.filter((text) => text.includes(secret))).toEqual([]);
    }
    expect(texts.length).toBeGreaterThan(1_000);
  }, 240_000);

  test("SEC-9 CON-17 each access is on record: who, which reference, which command", async () => {
    process.env["LEAKY_ECHO"] = "a-secret-to-be-used";
    const command = await run("leak_echo", { id: "access" });
    const found = await h.rows(
      `SELECT actor, payload->>'secret_ref' AS ref FROM concord.domain_events
       WHERE command_id = $1 AND event_type = 'connector_called'`,
      [command.commandId],
    );
    expect(found).toEqual([{ actor: "anna", ref: "env:LEAKY_ECHO" }]);
  });

  test("CON-9 a secret that is not set, or too short to be kept out of a text, is not used", async () => {
    const before = asked.length;
    for (const [value, part] of [
      ["", "not set"],
      ["abc", "shorter than"],
    ] as const) {
      process.env["LEAKY_ECHO"] = value;
      const command = await run("leak_echo", { id: `unset-${value}` });
      expect([command.errorClass, command.error]).toEqual([
        "permanent_connector_error",
        expect.stringContaining(part),
      ]);
    }
    expect(asked.length).toBe(before);
  });
});

describe("calls", () => {
  test("CON-8 the request is on record, redacted: personal data and credentials masked", async () => {
    process.env["LEAKY_ECHO"] = "a-secret-to-be-used";
    const payload = { id: "recorded", mail: "ann@example.com", note: "fine", password: "hunter2" };
    const command = await run("leak_echo", payload);
    const [row] = await h.rows<{ request_payload: JsonObject }>(
      "SELECT request_payload FROM concord.connector_invocations WHERE command_id = $1",
      [command.commandId],
    );
    expect(row?.request_payload).toEqual({
      id: "recorded",
      mail: "[redacted]",
      note: "fine",
      password: "[redacted]",
    });
  });

  test("CON-5 a connector called past Concord throws, and reaches nobody", async () => {
    const before = asked.length;
    const forged = {
      secret: undefined,
      idempotencyKey: null,
      traceparent: "",
      signal: AbortSignal.timeout(1),
    };
    const call = httpJson(() => vendorUrl);
    await expect(
      call({ method: "GET", path: "/" }, forged as unknown as CallContext),
    ).rejects.toThrow("submit a command");
    expect(asked.length).toBe(before);
  });

  test("RTY-6 ERR-3 what a vendor says about when to ask again is on record", async () => {
    status = 429;
    const command = await run("read_page", { id: "busy", call: { url: `${vendorUrl}/busy` } });
    status = 200;
    expect([command.status, command.errorClass]).toEqual(["failed", "rate_limited"]);
    const rows = await h.rows(
      "SELECT attempt, retry_after_ms FROM concord.connector_invocations WHERE command_id = $1 ORDER BY attempt",
      [command.commandId],
    );
    expect(rows).toEqual([
      { attempt: 1, retry_after_ms: 2_000 },
      { attempt: 2, retry_after_ms: 2_000 },
    ]);
  });

  test("CON-11 CON-15 SEC-8 the generic connector reads and writes where it may, and nowhere else", async () => {
    const read = await run("read_page", { id: "r", call: { url: `${vendorUrl}/page` } });
    expect(read.result).toMatchObject({ status: 200, url: `${vendorUrl}/page` });
    const body = { url: `${vendorUrl}/form`, method: "POST", body: { a: 1 } };
    const written = await run("write_page", { id: "w", call: body });
    // CON-11: the vendor is told the effect's key, not the runtime's name for the step.
    expect(written.result).toMatchObject({ json: { headers: { "idempotency-key": "web:w" } } });
    expect(asked).toContain("POST /form");
    const inside = await run("read_page", {
      id: "x",
      call: { url: "http://169.254.169.254/latest" },
    });
    expect([inside.status, inside.errorClass]).toEqual(["failed", "permission_denied"]);
    const odd = await run("read_page", { id: "y", call: { url: vendorUrl, more: 1 } });
    expect(odd.errorClass).toBe("validation_error");
  });
});

describe("the record of calls", () => {
  test("CON-6 X-32 every fact of a call has its column", async () => {
    const rows = await h.rows<{ name: string; type: string; nullable: string }>(
      `SELECT column_name AS name, data_type AS type, is_nullable AS nullable FROM information_schema.columns
       WHERE table_schema = 'concord' AND table_name = 'connector_invocations'`,
    );
    const found = new Map(rows.map((row) => [row.name, `${row.type} ${row.nullable}`]));
    const wanted = {
      connector_invocation_id: "uuid NO",
      command_id: "uuid NO",
      connector_name: "text NO",
      operation: "text NO",
      side_effect: "boolean NO",
      idempotency_key: "text YES",
      status: "text NO",
      request_payload: "jsonb NO",
      response_payload: "jsonb YES",
      error: "text YES",
      created_at: "timestamp with time zone NO",
      completed_at: "timestamp with time zone YES",
      input_hash: "text NO",
      output_summary: "text YES",
      latency_ms: "integer YES",
      error_class: "text YES",
      trace_id: "text NO",
      domain_effect_id: "uuid YES",
      runtime_step_id: "text YES",
    };
    expect(Object.fromEntries(found)).toMatchObject(wanted);
  });

  test("CON-7 RUN-16 while a vendor is called its row is committed and no transaction is open", async () => {
    const { command } = await h.concord.commands.submit({
      taskName: "read_page",
      payload: { id: "slow", call: { url: `${vendorUrl}/stall` } },
      principal: ANNA,
      ingress: "user_request",
      traceId: "0af7651916cd43dd8448eb211c80319c",
    });
    await expect.poll(() => stalled.length, { timeout: 20_000 }).toBe(1);
    const started = await h.rows(
      "SELECT status, completed_at FROM concord.connector_invocations WHERE command_id = $1",
      [command.commandId],
    );
    expect(started).toEqual([{ status: "started", completed_at: null }]);
    // Other work comes and goes; one that is open stays open.
    const open = async () =>
      (
        await h.rows<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
             AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`,
        )
      ).map(({ pid }) => pid);
    await expect.poll(open, { timeout: 10_000 }).toEqual([]);
    for (const answer of stalled.splice(0)) answer();
    expect((await h.settled(command)).status).toBe("succeeded");
  });

  test("POL-17 SEC-6 a credential that is there gives nobody the right to use it", async () => {
    const before = asked.length;
    const call = { url: `${vendorUrl}/form`, method: "POST", body: {} };
    const command = await run("write_out_of_scope", { id: "scope", call });
    expect([command.status, command.errorClass, command.error]).toEqual([
      "failed",
      "policy_denied",
      "web.write is out of scope",
    ]);
    expect(asked.length).toBe(before);
  });

  test("CON-14 of each operation: who may, by which task, what follows, who approves, under which key", async () => {
    const operatorKeys = [parseOperatorKey("op=t1:anna::buy")];
    const auth = { serviceKey: "service", internalSecret: "unused", operatorKeys };
    const app = createConcordApp(h.concord, auth, pino({ level: "silent" }));
    const response = await app.request("/connectors", { headers: { authorization: "Bearer op" } });
    const { items } = (await response.json()) as {
      items: { name: string; operations: { name: string }[] }[];
    };
    const web = items.find((one) => one.name === "web");
    const write = web?.operations.find((one) => one.name === "write");
    expect(write).toMatchObject({
      side_effect: true,
      key_template: "web:{id}",
      compensation: "a test",
      attempts_max: 2,
      audit_events: expect.arrayContaining(["connector_called"]),
    });
    expect((write as unknown as { uses: unknown[] }).uses).toContainEqual({
      task_name: "write_out_of_scope",
      command_type: "write_out_of_scope",
      policies: ["scoped"],
      approval_types: ["telling"],
      effect_type: "web.write",
      compensated_by: null,
      artifacts: [],
      agents_may: true,
    });
    expect(items.find((one) => one.name === "leaky_echo")).toMatchObject({
      secret_ref: "env:LEAKY_ECHO",
    });
    expect((await app.request("/connectors")).status).toBe(401);
  });
});

describe("the inbox", () => {
  const tell = (id: string, message: object) =>
    run("tell", { id, message: { title: "Booked", body: "It is booked.", ...message } });

  test("CON-15 EFF-5 told to a person or a group, once for each key, and read by nobody else", async () => {
    const first = await tell("one", { recipient: "anna" });
    const again = await tell("one", { recipient: "anna" });
    expect(again.result).toEqual(first.result);
    await tell("two", { recipient_kind: "group", recipient: "finance" });
    const mine = await h.concord.notifications.list(ANNA, { limit: 10 });
    expect(mine.items.map((one) => [one.title, one.recipient.name, one.readAt])).toEqual([
      ["Booked", "anna", null],
    ]);
    const freds = await h.concord.notifications.list(FRED, { limit: 10 });
    expect(freds.items.map((one) => one.recipient)).toEqual([{ kind: "group", name: "finance" }]);
    const others = await h.concord.notifications.list({ ...EVE, user: "anna" }, { limit: 10 });
    expect(others.items).toEqual([]);
    expect(await h.eventTypes(first)).toContain("notification_sent");
    expect(await h.eventTypes(again)).not.toContain("notification_sent");
  });

  test("SEC-7 reading is for whom it was told to; again is fine", async () => {
    await tell("three", { recipient: "anna", title: "Third" });
    const [newest] = (await h.concord.notifications.list(ANNA, { limit: 1 })).items;
    const id = encodeId("notification", newest?.notificationId ?? "");
    expect(await refusalOf(h.concord.notifications.read(FRED, id))).toBe("not_found");
    expect(await refusalOf(h.concord.notifications.read({ ...ANNA, tenant: "t2" }, id))).toBe(
      "not_found",
    );
    const once = await h.concord.notifications.read(ANNA, id);
    expect((await h.concord.notifications.read(ANNA, id)).readAt).toBe(once.readAt);
    const unread = await h.concord.notifications.list(ANNA, { limit: 10, unread: true });
    expect(unread.items.map((one) => one.title)).not.toContain("Third");
  });

  test("a long inbox is paged without loss or repetition", async () => {
    for (let n = 0; n < 5; n += 1)
      await tell(`page-${n}`, { recipient: "anna", title: `Page ${n}` });
    const whole = await h.concord.notifications.list(ANNA, { limit: 100 });
    const seen: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const more = cursor === undefined ? {} : { cursor };
      const page = await h.concord.notifications.list(ANNA, { limit: 2, ...more });
      seen.push(...page.items.map((one) => one.notificationId));
      if (page.nextCursor === null) break;
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(whole.items.map((one) => one.notificationId));
  });
});
