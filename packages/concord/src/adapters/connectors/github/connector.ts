/**
 * Owns the GitHub connector: issues, comments and pull requests of named repositories. GitHub takes no idempotency
 * key, so what is written carries a mark made of ours, unseen by readers, and is looked up by it before anything is
 * repeated. Only the writing operations that are asked for exist.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../../../core/json.ts";
import type { RetryDeclaration } from "../../../core/retry.ts";
import type {
  CallContext,
  ConnectorDefinition,
  ConnectorResult,
  OperationDefinition,
  RequestLimit,
  SecretRef,
} from "../../../domain/connectors.ts";
import type { HttpRequest } from "../http/http-json.ts";
import { findInPages, type GitHub, gitHub } from "./client.ts";
import { COMMENT, ISSUE, NUMBER, PULL, READ_FILE } from "./schemas.ts";

type WriteName = "create_issue" | "create_comment" | "create_pull_request" | "close_pull_request";

export interface GitHubConnectorOptions {
  readonly name: string;
  /** A token; give it no more than the operations need. */
  readonly secretRef: SecretRef;
  /** `owner/name`; nothing else is touched. */
  readonly repositories: readonly string[];
  /** For GitHub Enterprise, e.g. `https://github.example.com/api/v3`. */
  readonly baseUrl?: string;
  /** The writing operations there are, each with the key of its effect. */
  readonly writing?: Partial<Readonly<Record<WriteName, { readonly keyTemplate: string }>>>;
  readonly rateLimit?: RequestLimit;
  readonly retry?: RetryDeclaration;
}

const TIMEOUT_MS = 15_000;
const RETRY: RetryDeclaration = { attemptsMax: 4, waitsSeconds: [2, 10, 60] };

/** Reads `get_file` and `get_issue`; writes as `writing` says. */
export function githubConnector(options: GitHubConnectorOptions): ConnectorDefinition {
  const { name, secretRef, repositories, writing = {}, rateLimit } = options;
  const ask = gitHub(options.baseUrl);
  const common = { timeoutMs: TIMEOUT_MS, retry: options.retry ?? RETRY };
  const within = (call: OperationDefinition["call"]): OperationDefinition["call"] => {
    return async (input, context) => outside(repositories, input) ?? call(input, context);
  };
  const all: Readonly<Record<WriteName, Omit<OperationDefinition, "timeoutMs" | "retry">>> = {
    create_issue: createIssue(ask),
    create_comment: createComment(ask),
    create_pull_request: createPull(ask),
    close_pull_request: closePull(ask),
  };
  const writes = Object.entries(writing).map(([operation, { keyTemplate }]) => {
    const made = all[operation as WriteName];
    return [operation, { ...common, ...made, keyTemplate, call: within(made.call) }] as const;
  });
  return {
    name,
    connectorType: "github",
    riskLevel: writes.length === 0 ? "low" : "medium",
    auth: { mode: "bearer", secretRef },
    ...(rateLimit === undefined ? {} : { rateLimit }),
    operations: {
      get_file: { ...common, ...getFile(ask), call: within(getFile(ask).call) },
      get_issue: { ...common, ...getIssue(ask), call: within(getIssue(ask).call) },
      ...Object.fromEntries(writes),
    },
  };
}

type Shape = Omit<OperationDefinition, "timeoutMs" | "retry">;

function getFile(ask: GitHub): Shape {
  return {
    description: "Read a file of a repository.",
    sideEffect: false,
    inputSchema: READ_FILE,
    call: async (input, context) => {
      const path = text(input, "path").split("/").map(encodeURIComponent).join("/");
      const ref = input["ref"] === undefined ? {} : { query: { ref: text(input, "ref") } };
      const answer = await ask(
        { method: "GET", path: at(input, `/contents/${path}`), ...ref },
        context,
      );
      if ("failure" in answer) return answer.failure;
      const file = answer.body as JsonObject;
      if (file["encoding"] !== "base64" || typeof file["content"] !== "string") {
        return { ok: false, errorClass: "validation_error", message: "that is not a file of text" };
      }
      const content = Buffer.from(file["content"], "base64").toString("utf8");
      return {
        ok: true,
        output: { path: file["path"] ?? null, sha: file["sha"] ?? null, content },
      };
    },
  };
}

function getIssue(ask: GitHub): Shape {
  return {
    description: "Read an issue.",
    sideEffect: false,
    inputSchema: NUMBER,
    call: (input, context) =>
      shown(ask, { method: "GET", path: at(input, `/issues/${input["number"]}`) }, context),
  };
}

function createIssue(ask: GitHub): Shape {
  return {
    description: "Open an issue.",
    sideEffect: true,
    compensation: { notNeeded: "an issue is closed by whoever reads it" },
    inputSchema: ISSUE,
    call: (input, context) => {
      const body = {
        title: input["title"] ?? "",
        labels: input["labels"] ?? [],
        body: marked(input, context),
      };
      return shown(ask, { method: "POST", path: at(input, "/issues"), body }, context);
    },
    lookup: (key, context, input) =>
      marking(ask, key, context, {
        method: "GET",
        path: at(input, "/issues"),
        query: { state: "all", sort: "created", direction: "desc" },
      }),
  };
}

function createComment(ask: GitHub): Shape {
  return {
    description: "Comment on an issue or a pull request.",
    sideEffect: true,
    compensation: {
      notNeeded: "what was read cannot be taken back; a correction is another comment",
    },
    inputSchema: COMMENT,
    call: (input, context) => {
      const path = at(input, `/issues/${input["number"]}/comments`);
      return shown(ask, { method: "POST", path, body: { body: marked(input, context) } }, context);
    },
    // All comments of the repository, since only that list can be had newest first.
    lookup: (key, context, input) =>
      marking(ask, key, context, {
        method: "GET",
        path: at(input, "/issues/comments"),
        query: { sort: "created", direction: "desc" },
      }),
  };
}

function createPull(ask: GitHub): Shape {
  return {
    description: "Open a pull request.",
    sideEffect: true,
    compensation: "required",
    inputSchema: PULL,
    call: (input, context) => {
      const body = {
        title: input["title"] ?? "",
        head: input["head"] ?? "",
        base: input["base"] ?? "",
        draft: input["draft"] ?? false,
        body: marked(input, context),
      };
      return shown(ask, { method: "POST", path: at(input, "/pulls"), body }, context);
    },
    lookup: (key, context, input) => {
      const head = `${text(input, "repository").split("/")[0]}:${text(input, "head")}`;
      const query = { state: "all", head, base: text(input, "base") };
      return marking(ask, key, context, { method: "GET", path: at(input, "/pulls"), query });
    },
  };
}

/** What undoes a pull request (CMP-18). Closing what is closed changes nothing, so it needs no look-up. */
function closePull(ask: GitHub): Shape {
  return {
    description: "Close a pull request without merging it.",
    sideEffect: true,
    compensation: { notNeeded: "it is itself what undoes a pull request" },
    inputSchema: NUMBER,
    call: (input, context) => {
      const path = at(input, `/pulls/${input["number"]}`);
      return shown(ask, { method: "PATCH", path, body: { state: "closed" } }, context);
    },
  };
}

async function shown(
  ask: GitHub,
  request: HttpRequest,
  context: CallContext,
): Promise<ConnectorResult> {
  const answer = await ask(request, context);
  return "failure" in answer
    ? answer.failure
    : { ok: true, output: shownFields(answer.body as JsonObject) };
}

/** What an earlier call under `key` made; undefined when nothing bears its mark. */
async function marking(
  ask: GitHub,
  key: string,
  context: CallContext,
  request: HttpRequest,
): Promise<ConnectorResult | undefined> {
  const mark = markOf(key);
  const found = await findInPages(ask, request, context, (item) =>
    String(item["body"] ?? "").includes(mark),
  );
  if (found === undefined) return undefined;
  if ("failure" in found) return found["failure"] as ConnectorResult;
  return { ok: true, output: shownFields(found) };
}

const SHOWN = [
  "id",
  "number",
  "title",
  "state",
  "html_url",
  "body",
  "merged",
  "draft",
  "created_at",
];

function shownFields(item: JsonObject): JsonObject {
  const body = item["body"];
  const entries = SHOWN.filter((name) => item[name] !== undefined).map((name) => [
    name,
    item[name] ?? null,
  ]);
  const plain = typeof body === "string" ? { body: body.replaceAll(MARK, "").trimEnd() } : {};
  return { ...Object.fromEntries(entries), ...plain };
}

const MARK = /<!-- concord:[0-9a-f]{32} -->/g;

/** An HTML comment: Markdown does not show it. The key itself may be nobody's business. */
function markOf(key: string): string {
  return `<!-- concord:${createHash("sha256").update(key).digest("hex").slice(0, 32)} -->`;
}

/** The author's text, without marks that it brought, and with ours. */
function marked(input: JsonObject, context: CallContext): string {
  return `${text(input, "body").replaceAll(MARK, "")}\n\n${markOf(context.idempotencyKey ?? "")}`;
}

/** `path` below the repository, whose name was checked by its schema. */
function at(input: JsonObject, path: string): string {
  return `/repos/${text(input, "repository")}${path}`;
}

function text(input: JsonObject, name: string): string {
  const value = input[name];
  return typeof value === "string" ? value : "";
}

/** CON-13: names are the same to GitHub whatever their case. */
function outside(repositories: readonly string[], input: JsonObject): ConnectorResult | undefined {
  const asked = text(input, "repository").toLowerCase();
  if (repositories.some((one) => one.toLowerCase() === asked)) return undefined;
  const message = `the repository ${asked} is not one of ${repositories.join(", ")}`;
  return { ok: false, errorClass: "permission_denied", message };
}
