/**
 * Owns speaking to the GitHub REST API (version 2022-11-28): headers, the two ways it says "too fast", and which
 * fields of its long answers go on.
 */
import { isJsonObject, type Json, type JsonObject } from "../../../core/json.ts";
import type { CallContext, ConnectorResult } from "../../../domain/connectors.ts";
import { failureOf, type HttpAnswer, malformed, parsed } from "../http/answers.ts";
import { type HttpRequest, httpText } from "../http/http-json.ts";

const API_VERSION = "2022-11-28";
const DEFAULT_URL = "https://api.github.com";
/** Look-ups read this far back. */
const PAGES_MAX = 5;
const PER_PAGE = 100;

export type GitHub = (request: HttpRequest, context: CallContext) => Promise<GitHubAnswer>;
export type GitHubAnswer = { readonly body: Json } | { readonly failure: ConnectorResult };

/** `baseUrl` for GitHub Enterprise, e.g. `https://github.example.com/api/v3`. */
export function gitHub(baseUrl: string = DEFAULT_URL): GitHub {
  const ask = httpText(() => baseUrl);
  const headers = {
    accept: "application/vnd.github+json",
    "x-github-api-version": API_VERSION,
    "user-agent": "concert-concord",
  };
  return async (request, context) => {
    const answer = await ask({ ...request, headers: { ...headers, ...request.headers } }, context);
    if ("failure" in answer) return answer;
    if (answer.status < 200 || answer.status > 299) return { failure: refusalOf(answer) };
    const body = parsed(answer.text) as Json | undefined;
    return body === undefined ? { failure: malformed("GitHub's answer is not JSON") } : { body };
  };
}

/** Pages of a list, newest first, until `find` finds; undefined when no page has it. */
export async function findInPages(
  ask: GitHub,
  request: HttpRequest,
  context: CallContext,
  find: (item: JsonObject) => boolean,
): Promise<JsonObject | { readonly failure: ConnectorResult } | undefined> {
  for (let page = 1; page <= PAGES_MAX; page += 1) {
    const query = { ...request.query, per_page: PER_PAGE, page };
    const answer = await ask({ ...request, query }, context);
    if ("failure" in answer) return answer;
    const items = Array.isArray(answer.body)
      ? (answer.body as readonly Json[]).filter(isJsonObject)
      : [];
    const found = items.find(find);
    if (found !== undefined) return found;
    if (items.length < PER_PAGE) return undefined;
  }
  return undefined;
}

/** Primary limit: 403 or 429 with nothing remaining until `x-ratelimit-reset`; secondary: `retry-after`. */
function refusalOf(answer: HttpAnswer): ConnectorResult {
  const failure = failureOf(answer);
  const { headers, status } = answer;
  const isLimit = headers["retry-after"] !== undefined || headers["x-ratelimit-remaining"] === "0";
  if (failure.ok || (status !== 403 && status !== 429) || !isLimit) return failure;
  const resetSeconds = Number(headers["x-ratelimit-reset"]);
  const untilReset = Number.isFinite(resetSeconds)
    ? Math.max(0, resetSeconds * 1000 - Date.now())
    : undefined;
  const retryAfterMs = failure.retryAfterMs ?? untilReset;
  return {
    ...failure,
    errorClass: "rate_limited",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}
