/** The connectors that come with Concord, declared in YAML and used: mail, a Slack webhook, Databricks, an MCP server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  CatalogError,
  contractsFromYaml,
  declaredContracts,
  encodeId,
  type JsonObject,
  loadCatalog,
  takeMcpSnapshot,
} from "../src/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

const BUN = fileURLToPath(new URL("../../../node_modules/.bin/bun", import.meta.url));
const NOTES_SERVER = fileURLToPath(new URL("./support/mcp-server.ts", import.meta.url));
const portOf = (address: ReturnType<Server["address"]>) =>
  typeof address === "object" && address !== null ? address.port : 0;

const mails: { readonly subject: string | undefined; readonly to: readonly string[] }[] = [];
const posts: string[] = [];
let h: Harness;
let folder: string;
let smtp: SMTPServer;
let web: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "declared-connectors-"));
  smtp = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    onAuth: (_auth, _session, done) => done(null, { user: "mailer" }),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", async () => {
        const { subject } = await PostalMime.parse(Buffer.concat(chunks));
        mails.push({ subject, to: session.envelope.rcptTo.map(({ address }) => address) });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", () => resolve()));
  web = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    posts.push(`${request.url} ${text}`);
    const isJob = request.url?.startsWith("/api/") === true;
    response.setHeader("content-type", isJob ? "application/json" : "text/plain");
    response.end(isJob ? JSON.stringify({ run_id: 7 }) : "ok");
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const port = portOf(web.address());
  process.env["TEST_SMTP_URL"] =
    `smtp://mailer:smtp-password-1@127.0.0.1:${portOf(smtp.server.address())}`;
  process.env["TEST_SLACK_URL"] = `http://127.0.0.1:${port}/services/T0/B0/slack-secret`;
  process.env["TEST_DATABRICKS"] = "databricks-token";
  process.env["TEST_NOTES_TOKEN"] = "notes-token-for-the-test";
  const notes = { NOTES: join(folder, "notes") };
  const transport = { kind: "stdio", command: BUN, args: [NOTES_SERVER], env: notes } as const;
  const snapshot = await takeMcpSnapshot(
    { ...transport, secretVariable: "NOTES_TOKEN" },
    "notes-token-for-the-test",
  );
  writeFileSync(join(folder, "notes.mcp.json"), JSON.stringify(snapshot));
  writeFileSync(join(folder, "telling.yaml"), tellingOf(port));
  writeFileSync(
    join(folder, "notes.yaml"),
    `mcp_server:
  name: notes
  transport: ${JSON.stringify({ ...transport, secret_variable: "NOTES_TOKEN" })}
  snapshot: notes.mcp.json
  secret_ref: env:TEST_NOTES_TOKEN
  policies: [anyone]
  approval: { type: purchase, approver: { kind: group, name: finance } }
  reviews: { fail: { offered: false } }
`,
  );
  h = await startHarness({ more: () => declaredContracts(folder) });
});
afterAll(async () => {
  await h?.stop();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
  await new Promise((resolve) => web.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const tellingOf = (port: number) => `
connector:
  name: mail
  type: email
  from: Concert <no-reply@example.com>
  domains: [example.com]
  plain: true
  idempotency_key: "mail:{topic}"
  auth: { mode: secret, secret_ref: env:TEST_SMTP_URL }
  capabilities: [send_email]
---
connector:
  name: channel
  type: slack
  domains: ["127.0.0.1"]
  private_ranges: [127.0.0.0/8]
  plain: true
  auth: { mode: secret, secret_ref: env:TEST_SLACK_URL }
  capabilities: [send_slack]
---
connector:
  name: lake
  type: databricks
  base_url: http://127.0.0.1:${port}
  jobs: [11]
  auth: { mode: bearer, secret_ref: env:TEST_DATABRICKS }
  capabilities: [run_job, cancel_run]
---
compensation:
  name: stop_job
  of: lake.run
  connector: lake
  capability: cancel_run
  input: { run_id: "{effect.result.run_id}" }
---
task:
  name: tell
  policies: [anyone]
  input_schema:
    type: object
    required: [topic, to]
    properties: { topic: { type: string }, to: { type: string } }
  steps:
    - id: mail
      connector: mail
      capability: send_email
      effect_type: mail.sent
      input: { to: ["{payload.to}"], subject: "About {payload.topic}", body: Hello }
    - id: channel
      depends_on: [mail]
      connector: channel
      capability: send_slack
      effect_type: channel.told
      input: { text: "{payload.topic}" }
    - id: job
      depends_on: [channel]
      connector: lake
      capability: run_job
      effect_type: lake.run
      input: { job_id: 11 }
`;

const submit = async (taskName: string, payload: JsonObject) => {
  const request = { taskName, payload, principal: ANNA, traceId: TRACE } as const;
  return (await h.concord.commands.submit({ ...request, ingress: "user_request" })).command;
};
const run = async (taskName: string, payload: JsonObject) =>
  h.settled(await submit(taskName, payload));

test("CON-16 CON-15 mail, a channel and a job in one declared task, each once", async () => {
  const done = await run("tell", { topic: "chairs", to: "anna@example.com" });
  expect([done.status, done.error]).toEqual(["succeeded", null]);
  expect(mails).toEqual([{ subject: "About chairs", to: ["anna@example.com"] }]);
  expect(posts[0]).toContain("/services/T0/B0/slack-secret");
  expect(posts[0]).toContain("chairs");
  expect(posts[1]).toMatch(/^\/api\/2\.1\/jobs\/run-now .*"idempotency_token"/);
  // The same thing to tell, in another command: its key is the topic's.
  await run("tell", { topic: "chairs", to: "anna@example.com" });
  expect(mails).toHaveLength(1);
});

test("CON-16 what a declaration does not allow is refused by the connector", async () => {
  const done = await run("tell", { topic: "tables", to: "eve@elsewhere.org" });
  expect([done.status, done.errorClass]).toEqual(["failed", "permission_denied"]);
  expect(mails).toHaveLength(1);
});

test("CON-16 CON-15 a declared MCP server: reading needs nobody, writing a person, and what is not wanted is not there", async () => {
  expect((await run("notes.read_notes", {})).result).toMatchObject({
    structured: { lines: [] },
  });
  const writing = await submit("notes.write_note", { note: "from yaml" });
  const approvalId = encodeId("approval", (await h.approvalOf(writing)).approvalId);
  await h.concord.approvals.resolve({
    approvalId,
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });
  expect((await h.settled(writing)).status).toBe("succeeded");
  expect(readFileSync(join(folder, "notes"), "utf8")).toBe("from yaml\n");
  await expect(submit("notes.fail", {})).rejects.toMatchObject({ code: "unknown_task" });
});

test("CON-16 what is missing or unknown is told at the start", () => {
  const problemsOf = (text: string): readonly string[] => {
    try {
      loadCatalog([contractsFromYaml(text, "a.yaml")]);
      return [];
    } catch (error) {
      if (error instanceof CatalogError) return error.problems;
      throw error;
    }
  };
  const auth = "auth: { mode: secret, secret_ref: env:X }";
  const cases: readonly (readonly [string, string])[] = [
    [`connector: { name: m, type: email, ${auth}, capabilities: [send_email] }`, "from"],
    [
      `connector: { name: m, type: email, from: a@b.c, capabilities: [send_email] }`,
      "auth.secret_ref is missing",
    ],
    [
      `connector: { name: s, type: slack, ${auth}, private_ranges: [nowhere], capabilities: [send_slack] }`,
      "nowhere",
    ],
    [`connector: { name: d, type: databricks, ${auth}, capabilities: [get_run] }`, "base_url"],
    [
      `connector: { name: d, type: databricks, base_url: "https://x", ${auth}, capabilities: [run_job] }`,
      'offers no "run_job", but get_run',
    ],
    [
      `mcp_server: { name: n, transport: { kind: http, url: "https://x" }, snapshot: none.json, policies: [p], approval: { type: t, approver: { kind: user, name: u } } }`,
      "snapshot: there is no such file",
    ],
  ];
  for (const [text, problem] of cases) {
    expect(problemsOf(text).join("\n")).toContain(problem);
  }
});
