import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CatalogError, contractsFromYaml, loadCatalog } from "../index.ts";
import { parseDeclarations } from "./index.ts";

/** As the specification prints them. */
const PUBLISHED = `
connector:
  name: github
  type: github
  capabilities:
    - search_issues
    - create_issue
    - comment_on_pr
  auth:
    mode: oauth
    scopes:
      - issues:read
      - issues:write
  rate_limits:
    requests_per_minute: 60
---
tool:
  name: create_github_issue
  connector: github
  capability: create_issue
  execution_mode: async
  risk_level: medium
  requires_approval: false
  input_schema:
    type: object
    required:
      - repo
      - title
    properties:
      repo:
        type: string
      title:
        type: string
      body:
        type: string
`;

const problemsOf = (text: string): readonly string[] => {
  try {
    loadCatalog([contractsFromYaml(text, "shop.yaml")]);
    return [];
  } catch (error) {
    if (error instanceof CatalogError) return error.problems;
    throw error;
  }
};

const SHOP = `
connector:
  name: shop
  type: rest
  base_url: https://shop.example
  auth: { mode: bearer, secret_ref: env:SHOP_KEY }
  capabilities:
    - { name: look, method: GET, path: "/items/{input.id}" }
---
policy:
  name: anyone
  version: "1"
  category: permission
  rules: []
  otherwise: { decision: allow, reason: it only reads }
---
task:
  name: look
  policies: [anyone]
  input_schema: { type: object, required: [id], properties: { id: { type: string }, note: { type: string } } }
  steps:
    - { id: look, connector: shop, capability: look, input: { id: "{payload.id}" } }
`;

describe("contracts in YAML", () => {
  test("CON-16 the published connector and tool are read as they stand", () => {
    const { declarations, problems } = parseDeclarations(PUBLISHED, "published.yaml");
    expect(problems).toEqual([]);
    expect(declarations).toMatchObject([
      {
        kind: "connector",
        at: "published.yaml:2",
        body: {
          name: "github",
          type: "github",
          capabilities: ["search_issues", "create_issue", "comment_on_pr"],
          auth: { mode: "oauth", scopes: ["issues:read", "issues:write"] },
          rate_limits: { requests_per_minute: 60 },
        },
      },
      {
        kind: "tool",
        body: {
          name: "create_github_issue",
          connector: "github",
          capability: "create_issue",
          execution_mode: "async",
          risk_level: "medium",
          requires_approval: false,
          input_schema: { required: ["repo", "title"] },
        },
      },
    ]);
  });

  test("CON-16 a declared connector and tool become what code would have made, offering what was named only", () => {
    const complete = `
connector:
  name: github
  type: github
  repositories: [acme/site]
  capabilities: [create_issue]
  auth: { mode: oauth, secret_ref: env:GITHUB_TOKEN, scopes: [issues:write] }
  rate_limits: { requests_per_minute: 60 }
---
policy: { name: editors, version: "1", category: permission, rules: [{ when: "'edit' in requester.permissions", decision: allow, reason: an editor }] }
---
tool:
  name: create_github_issue
  connector: github
  capability: create_issue
  effect_type: github.create_issue
  execution_mode: async
  risk_level: medium
  policies: [editors]
  input_schema: { type: object, required: [repository, title], properties: { repository: { type: string }, title: { type: string } } }
`;
    const catalog = loadCatalog([contractsFromYaml(complete)]);
    const github = catalog.connector("github");
    expect(Object.keys(github.operations)).toEqual(["create_issue"]);
    expect(github).toMatchObject({
      rateLimit: { requestsMax: 60, perSeconds: 60 },
      auth: { mode: "bearer", secretRef: "env:GITHUB_TOKEN", scopes: ["issues:write"] },
    });
    expect(catalog.tools()).toMatchObject([
      { name: "create_github_issue", riskLevel: "medium", sideEffect: true },
      { name: "ask_person" },
    ]);
    expect(catalog.toolTask("create_github_issue")?.steps).toMatchObject([
      { kind: "connector", connector: "github", operation: "create_issue" },
    ]);
  });

  test("a sound file has no problem", () => {
    expect(problemsOf(SHOP)).toEqual([]);
  });

  test("CON-16 CMP-8 everything that is wrong is told at once, with file and line", () => {
    const problems = problemsOf(`${SHOP}
---
tol: { name: x }
---
connector: { name: c, type: rest, base_url: "ftp://x", capabilities: [search] }
---
connector: { name: d, type: carrier_pigeon, capabilities: [send] }
---
connector: { name: e, type: github, capabilities: [create_issue] }
---
tool: { name: t, connector: shop, capability: sell, requires_approval: true, input_schema: { type: object } }
---
tool: { name: u, connector: shop, capability: sell, input_schema: { type: object } }
---
task:
  name: broken
  policies: [anyone]
  input_schema: { type: object, required: [id], properties: { id: { type: string }, note: { type: string } } }
  colour: red
  steps: [{ id: look, connector: shop, capability: look }]
---
task:
  name: dangling
  policies: [anyone]
  input_schema: { type: object, required: [id], properties: { id: { type: string }, note: { type: string } } }
  steps:
    - { id: one, connector: shop, capability: look, input: { id: "{payload.nobody} {results.two} {secrets.x}" } }
    - { id: two, connector: shop, capability: look, input: { id: "{payload.note}" } }
`);
    const text = problems.join("\n");
    for (const part of [
      "a document has one key of",
      'connector "c": base_url is not an http(s) URL',
      'connector "c": its type rest does not know "search"',
      'its type "carrier_pigeon" is not one of rest, github, postgres, app_notification',
      'connector "e": auth.secret_ref is missing',
      'tool "t": it requires approval, but approval does not say',
      'task "u" names no policy',
      '"sell", but shop offers look',
      'task "broken"  must NOT have additional properties ("colour")',
      'step "one": {payload.nobody} is no field of input_schema',
      'step "one": {results.two} is not of a step that it depends on',
      'step "one": {secrets.x} is none of payload, results, requester',
      'step "two": {payload.note} need not be there',
    ]) {
      expect(text).toContain(part);
    }
    expect(problems.filter((one) => /^shop\.yaml:\d+/.test(one)).length).toBeGreaterThan(8);
  });

  test.each([
    ["a tab where spaces belong", "connector:\n\tname: x", /shop\.yaml:2:1/],
    ["a key twice", "tool: { name: a, name: b }", /shop\.yaml:1:\d+.*unique/i],
    ["a tag that makes something else of a value", "tool: !!js/function 'x'", /shop\.yaml:1/],
    ["aliases that grow without end", bomb(), /alias/i],
    ["a text", "hello", /one key of/],
  ])("%s is refused with its place", (_what, text, part) => {
    expect(problemsOf(text).join("\n")).toMatch(part);
  });

  test("CON-9 a secret in the place of its reference is refused, and not repeated", () => {
    const problems = problemsOf(
      SHOP.replace("env:SHOP_KEY", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    );
    expect(problems.join()).toContain("secretRef is not a reference");
    expect(problems.join()).not.toContain("ghp_");
  });
});

test("POL-10 a question about nothing that the payload knows is a problem of the catalog", () => {
  const problems = problemsOf(`
task:
  name: odd
  policies: [p]
  input_schema: { type: object, required: [item], properties: { item: { type: string } } }
  asks:
    - { fields: [item, colour], text: "Which {payload.size}?", when: { gift: true } }
  steps:
    - { id: note, artifact: { type: file, title: Note, content: {} } }
`).join("\n");
  for (const part of [
    "asks: {payload.size} is no field of input_schema",
    "asks: when names gift, which is no field of input_schema",
  ]) {
    expect(problems).toContain(part);
  }
});

function bomb(): string {
  const levels = Array.from({ length: 12 }, (_unused, n) =>
    n === 0
      ? "l0: &l0 [x, x, x, x, x, x, x, x]"
      : `l${n}: &l${n} [${Array(8)
          .fill(`*l${n - 1}`)
          .join(", ")}]`,
  );
  return levels.join("\n");
}

test("CON-16 ART-2 the manual's own example loads, with a type of artifact of its own", () => {
  const manual = readFileSync(new URL("../../../../docs/declarations.md", import.meta.url), "utf8");
  const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(manual) ?? [];
  const catalog = loadCatalog([contractsFromYaml(example, "manual.yaml")]);
  expect(catalog.artifactType("receipt")?.retentionDays).toBe(3650);
  expect(catalog.toolTask("order_and_keep")?.name).toBe("order_and_keep");
  const without = example.replace(/^artifact_type:.*$/m, "");
  expect(problemsOf(without)).toEqual([
    expect.stringContaining('writes the unknown artifact type "receipt"; register it'),
  ]);
});
