/** What writes to the outside is a command or nothing: the seven writes of spec §71.4, attempted past Concord. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  appNotificationConnector,
  type CallContext,
  defineContracts,
  emailConnector,
  githubConnector,
  httpConnector,
  type JsonObject,
  type OperationDefinition,
  postgresConnector,
  slackConnector,
} from "../src/index.ts";
import { ANNA, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";
import { filesUnder, SOURCES, textOf } from "./support/sources.ts";

const secretRef = "env:SECRET";
const keyed = { keyTemplate: "k:{id}" };
const nowhere = "http://127.0.0.1:1";
const open = { hosts: ["127.0.0.1"], privateRanges: ["127.0.0.1/32"], plainHttp: true };
const operations: Readonly<Record<string, readonly [OperationDefinition | undefined, JsonObject]>> =
  {
    send_email: [
      emailConnector({ name: "mail", secretRef, from: "a@b.example", ...keyed }).operations[
        "send_email"
      ],
      { to: ["a@b.example"], subject: "s", body: "b" },
    ],
    post_to_slack: [
      slackConnector({ name: "slack", secretRef, ...open, ...keyed }).operations["send_slack"],
      { text: "t" },
    ],
    create_github_pr: [
      githubConnector({
        name: "github",
        secretRef,
        baseUrl: nowhere,
        repositories: ["o/r"],
        writing: {
          create_issue: keyed,
          create_comment: keyed,
          create_pull_request: keyed,
          close_pull_request: keyed,
        },
      }).operations["create_pull_request"],
      { repository: "o/r", title: "t", body: "b", head: "h", base: "m" },
    ],
    write_table: [
      httpConnector({
        name: "warehouse",
        secretRef,
        ...open,
        writing: { ...keyed, compensation: { notNeeded: "a test" } },
      }).operations["write"],
      { url: nowhere, method: "POST", body: {} },
    ],
    "write_table, in SQL": [
      postgresConnector({ name: "db", secretRef }).operations["query"],
      { sql: "INSERT INTO t VALUES (1)" },
    ],
    "send_notification, to our own people": [
      appNotificationConnector({ name: "app", ...keyed }).operations["send_app_notification"],
      { to: { kind: "user", name: "anna" }, title: "t", body: "b" },
    ],
  };

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    more: () =>
      defineContracts((catalog) =>
        catalog.schedule({
          name: "look_daily",
          description: "Looks at a price.",
          task: "price",
          cron: "0 4 * * *",
          tenants: [ANNA.tenant],
          payload: () => ({ order_id: "of-the-day", item: "chair", amount: 1 }),
        }),
      ),
  });
});
afterAll(() => h.stop());

test.each(Object.entries(operations))(
  "CMD-24 V-45 %s: its connector called directly throws before it reaches anything",
  async (_name, [operation, input]) => {
    const forged = { secret: "a-secret", idempotencyKey: "k", signal: AbortSignal.timeout(5_000) };
    const call = async () => operation?.call(input, forged as unknown as CallContext);
    await expect(call()).rejects.toThrow("submit a command");
  },
);

test.each([
  "send_email",
  "publish_report",
  "write_table",
  "create_github_pr",
  "post_to_slack",
  "update_memory",
  "grant_permission",
])(
  "CMD-24 V-45 %s, asked for where nobody declared it: refused, on record, and nothing is called",
  async (name) => {
    const before = await counts();
    const action = {
      toolName: name,
      payload: {},
      reason: "because",
      principal: ANNA,
      traceId: TRACE,
    };
    expect(await refusalOf(h.concord.agentActions.propose(action))).toBe("unknown_task");
    expect(await refusalOf(h.submit({}, { task: name }))).toBe("unknown_task");
    expect(await counts()).toEqual({ ...before, rejected: before.rejected + 2 });
  },
);

test("CMD-24 publish_report: one place moves an artifact to published, and a command's step is the only way there", () => {
  const moving = filesUnder(SOURCES).filter((path) =>
    /\.move\([^)]*"published"|status = 'published'/.test(textOf(path)),
  );
  expect(moving).toEqual([`${SOURCES}/domain/publish-artifact.ts`]);
  const using = filesUnder(SOURCES).filter((path) => /\bpublishArtifact\(/.test(textOf(path)));
  expect(using).toEqual([`${SOURCES}/domain/engine.ts`, `${SOURCES}/domain/publish-artifact.ts`]);
});

test("CMD-24 a person, an agent and a schedule each leave a command that policy judged, and no call was made for anything else", async () => {
  const order = { order_id: "governed", item: "chair", amount: 1 };
  const person = await h.settled((await h.submit(order, { task: "price" })).command);
  const action = { toolName: "price", payload: order, reason: "to know", principal: ANNA };
  const agent = await h.concord.agentActions.propose({ ...action, traceId: TRACE });
  await h.settled(agent.command);
  const operator = { ...ANNA, roles: ["owner", "operator"] };
  await h.concord.schedules.trigger(operator, "look_daily", TRACE);
  const ingresses = async () =>
    (
      await h.rows<{ ingress: string }>(
        "SELECT DISTINCT ingress FROM concord.commands WHERE task_name = 'price'",
      )
    )
      .map(({ ingress }) => ingress)
      .sort();
  await expect
    .poll(ingresses, { timeout: 30_000 })
    .toEqual(["agent_action", "scheduled_trigger", "user_request"]);
  expect(person.status).toBe("succeeded");
  const ungoverned = await h.rows(
    `SELECT i.connector_invocation_id FROM concord.connector_invocations i
     WHERE NOT EXISTS (SELECT 1 FROM concord.policy_decisions d
       WHERE d.command_id = i.command_id AND d.created_at <= i.created_at)`,
  );
  expect(ungoverned).toEqual([]);
});

async function counts() {
  const [row] = await h.rows<{ commands: number; calls: number; rejected: number }>(
    `SELECT (SELECT count(*)::int FROM concord.commands) AS commands,
       (SELECT count(*)::int FROM concord.connector_invocations) AS calls,
       (SELECT count(*)::int FROM concord.domain_events WHERE event_type = 'command_rejected') AS rejected`,
  );
  if (row === undefined) throw new Error("nothing was counted");
  return row;
}
