import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  anyonePolicy,
  type Command,
  defineContracts,
  githubConnector,
  type JsonObject,
} from "../src/index.ts";
import { testContext } from "../src/testing/index.ts";
import { GITHUB_TOKEN, type GitHubServer, startGitHub } from "./support/github-server.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";

let github: GitHubServer;
let h: Harness;
const connectorAt = (baseUrl: string) =>
  githubConnector({
    name: "github",
    secretRef: "env:TEST_GITHUB_TOKEN",
    repositories: ["acme/site"],
    baseUrl,
    retry: { attemptsMax: 3, waitsSeconds: [0] },
    writing: {
      create_issue: { keyTemplate: "issue:{id}" },
      create_comment: { keyTemplate: "comment:{id}" },
      create_pull_request: { keyTemplate: "pull:{id}" },
      close_pull_request: { keyTemplate: "close:{id}" },
    },
  });

beforeAll(async () => {
  github = await startGitHub();
  process.env["TEST_GITHUB_TOKEN"] = GITHUB_TOKEN;
  h = await startHarness({
    more: () =>
      defineContracts((catalog) => {
        catalog.policy(anyonePolicy("open", "a test"));
        catalog.connector(connectorAt(github.url));
        for (const operation of [
          "create_issue",
          "create_comment",
          "create_pull_request",
        ] as const) {
          catalog.task({
            name: operation,
            description: "Write to GitHub.",
            inputSchema: { type: "object", required: ["id", "call"] },
            policies: ["open"],
            steps: [
              {
                kind: "connector",
                id: "write",
                connector: "github",
                operation,
                effectType: `github.${operation}`,
                input: ({ payload }) => payload["call"] as JsonObject,
              },
            ],
            result: ({ results }) => results["write"] as JsonObject,
          });
        }
        catalog.compensation({
          name: "close_pull",
          of: "github.create_pull_request",
          connector: "github",
          operation: "close_pull_request",
        });
      }),
  });
});
afterAll(async () => {
  await h.stop();
  github.stop();
});
beforeEach(() => {
  github.requests.length = 0;
});

const run = async (taskName: string, id: string, call: object): Promise<Command> => {
  const { command } = await h.concord.commands.submit({
    taskName,
    payload: { id, call: { repository: "acme/site", ...call } },
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  });
  return h.settled(command);
};
const ask = async (operation: string, input: object, key = "k") => {
  const made = connectorAt(github.url).operations[operation];
  if (made === undefined) throw new Error(`no ${operation}`);
  const context = testContext({ secret: GITHUB_TOKEN, idempotencyKey: key });
  return made.call({ repository: "acme/site", ...input } as JsonObject, context);
};

describe("GitHub", () => {
  test.each(["create_issue", "create_comment", "create_pull_request"] as const)(
    "CON-15 CON-18 EFF-7 %s: the line is cut after GitHub acted; it is found, not done again",
    async (operation) => {
      const kinds = {
        create_issue: github.issues,
        create_comment: github.comments,
        create_pull_request: github.pulls,
      };
      for (const fault of ["drop_after", "error_after"] as const) {
        const before = kinds[operation].length;
        github.faults.push(fault);
        const done = await run(operation, `${operation}-${fault}`, {
          ...(operation === "create_comment" ? { number: 1 } : { title: "A title" }),
          ...(operation === "create_pull_request" ? { head: `branch-${fault}`, base: "main" } : {}),
          body: "The text.",
        });
        expect([done.status, done.error]).toEqual(["succeeded", null]);
        expect(kinds[operation].length).toBe(before + 1);
        expect(done.result).toMatchObject({
          number: kinds[operation][0]?.number,
          body: "The text.",
        });
      }
    },
  );

  test("CON-18 what is looked for may lie pages back; another's mark, brought along, is taken out", async () => {
    for (let i = 0; i < 120; i += 1)
      await ask("create_issue", { title: `Filler ${i}`, body: "x" }, `filler-${i}`);
    const [first] = [...github.issues].reverse().filter((one) => one.title === "Filler 0");
    const lookup = connectorAt(github.url).operations["create_issue"]?.lookup;
    const context = testContext({ secret: GITHUB_TOKEN });
    const found = await lookup?.("filler-0", context, { repository: "acme/site" });
    expect(found).toMatchObject({ ok: true, output: { number: first?.number, title: "Filler 0" } });
    expect(await lookup?.("never", context, { repository: "acme/site" })).toBeUndefined();
    const forged = `innocent ${first?.body.match(/<!--.*-->/)?.[0]}`;
    await ask("create_issue", { title: "Forged", body: forged }, "forger");
    const again = await lookup?.("filler-0", context, { repository: "acme/site" });
    expect(again).toMatchObject({ output: { title: "Filler 0" } });
  });

  test.each([
    ["primary_limit", "rate_limited", true],
    ["secondary_limit", "rate_limited", true],
    ["forbidden", "permanent_connector_error", false],
    ["bad_gateway", "transient_connector_error", false],
    ["redirect", "permanent_connector_error", false],
  ] as const)("ERR-3 CON-4 %s is %s", async (fault, errorClass, waits) => {
    github.faults.push(fault);
    const found = await ask("create_issue", { title: "t", body: "b" }, fault);
    expect(found).toMatchObject({ ok: false, errorClass });
    const retryAfterMs = found.ok ? undefined : found.retryAfterMs;
    expect(retryAfterMs !== undefined).toBe(waits);
    if (fault === "secondary_limit") expect(retryAfterMs).toBe(7_000);
    if (fault === "primary_limit") expect(retryAfterMs).toBeGreaterThan(0);
  });

  test("CON-1 files and issues are read, pull requests are closed; each request says who asks and how", async () => {
    expect(await ask("get_file", { path: "docs/a b.md", ref: "v1" })).toMatchObject({
      ok: true,
      output: { content: "# docs/a%20b.md at v1" },
    });
    const opened = await ask(
      "create_pull_request",
      { title: "t", body: "b", head: "h-1", base: "main" },
      "p-1",
    );
    const number = opened.ok ? opened.output["number"] : undefined;
    expect(await ask("close_pull_request", { number })).toMatchObject({
      output: { state: "closed" },
    });
    expect(await ask("close_pull_request", { number })).toMatchObject({
      output: { state: "closed" },
    });
    expect(await ask("get_issue", { number: 999_999 })).toMatchObject({
      errorClass: "permanent_connector_error",
    });
    expect(
      await ask("create_pull_request", { title: "t", body: "b", head: "h-2", base: "main" }, "p-2"),
    ).toMatchObject({ ok: true });
    expect(
      await ask("create_pull_request", { title: "t", body: "b", head: "h-2", base: "main" }, "p-3"),
    ).toMatchObject({
      errorClass: "validation_error",
    });
    for (const { version, agent } of github.requests) {
      expect([version, agent]).toEqual(["2022-11-28", "concert-concord"]);
    }
  });

  test("CON-13 SEC-8 only the named repositories, and no path leads out of them", async () => {
    expect(await ask("get_issue", { repository: "acme/other", number: 1 })).toMatchObject({
      ok: false,
      errorClass: "permission_denied",
    });
    expect(github.requests).toEqual([]);
    const odd = await run("create_issue", "odd", { repository: "acme/..", title: "t", body: "b" });
    expect(odd.errorClass).toBe("validation_error");
    expect(github.requests).toEqual([]);
  });

  test("CON-9 a token that GitHub does not know is final", async () => {
    const made = connectorAt(github.url).operations["get_issue"];
    const context = testContext({ secret: "another-token" });
    expect(await made?.call({ repository: "acme/site", number: 1 }, context)).toMatchObject({
      errorClass: "permanent_connector_error",
    });
  });
});
