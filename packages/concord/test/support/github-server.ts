/** Owns a local server that answers like GitHub's REST API for what the connector uses, and fails like it on request. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

interface Item {
  readonly number: number;
  readonly id: number;
  readonly body: string;
  readonly title?: string;
  readonly head?: string;
  readonly base?: string;
  state: string;
}

/** What the next write does: `drop_after` commits and cuts the line, as the outage that nobody hears of. */
export type GitHubFault =
  | "drop_after"
  | "error_after"
  | "primary_limit"
  | "secondary_limit"
  | "forbidden"
  | "bad_gateway"
  | "redirect";

export interface GitHubServer {
  readonly url: string;
  readonly issues: Item[];
  readonly comments: Item[];
  readonly pulls: Item[];
  readonly faults: GitHubFault[];
  readonly requests: { readonly line: string; readonly version: string; readonly agent: string }[];
  stop(): void;
}

const TOKEN = "ghs-test-token-0123456789";
export const GITHUB_TOKEN = TOKEN;

export async function startGitHub(): Promise<GitHubServer> {
  const store = { issues: [] as Item[], comments: [] as Item[], pulls: [] as Item[] };
  const faults: GitHubFault[] = [];
  const requests: GitHubServer["requests"] = [];
  let next = 1;
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://github");
    const { headers, method = "" } = request;
    requests.push({
      line: `${method} ${url.pathname}${url.search}`,
      version: String(headers["x-github-api-version"]),
      agent: String(headers["user-agent"]),
    });
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, string>);
    if (headers.authorization !== `Bearer ${TOKEN}`)
      return send(response, 401, { message: "Bad credentials" });
    const fault = method === "GET" ? undefined : faults.shift();
    if (fault !== undefined && refused(response, fault)) return;
    const route = /^\/repos\/acme\/site\/(issues|pulls|contents)(?:\/(.+?))?$/.exec(url.pathname);
    if (route === null) return send(response, 404, { message: "Not Found" });
    const made = act(method, route[1] ?? "", route[2], url, body);
    if (fault === "drop_after") return void response.destroy();
    if (fault === "error_after") return send(response, 502, { message: "Server Error" });
    return send(response, made.status, made.body);
  }

  function act(
    method: string,
    kind: string,
    rest: string | undefined,
    url: URL,
    body: Record<string, string>,
  ) {
    if (kind === "contents") {
      const content = Buffer.from(`# ${rest} at ${url.searchParams.get("ref") ?? "main"}`).toString(
        "base64",
      );
      return {
        status: 200,
        body: { type: "file", encoding: "base64", path: rest, sha: "abc", content },
      };
    }
    const comments = /(^|\/)comments$/.test(rest ?? "");
    const items = comments ? store.comments : kind === "pulls" ? store.pulls : store.issues;
    if (method === "POST") {
      if (
        kind === "pulls" &&
        items.some((one) => one.head === body["head"] && one.state === "open")
      ) {
        return { status: 422, body: { message: "Validation Failed" } };
      }
      const item = { number: next, id: next * 1000, state: "open", body: "", ...body };
      next += 1;
      items.unshift(item);
      return {
        status: 201,
        body: { ...item, html_url: `https://github.example/${kind}/${item.number}` },
      };
    }
    const found = items.find((one) => one.number === Number(rest));
    if (method === "PATCH" && found !== undefined) {
      found.state = body["state"] ?? found.state;
      return { status: 200, body: found };
    }
    if (rest !== undefined && !comments) {
      return found === undefined
        ? { status: 404, body: { message: "Not Found" } }
        : { status: 200, body: found };
    }
    const page = Number(url.searchParams.get("page") ?? 1);
    const size = Number(url.searchParams.get("per_page") ?? 30);
    return { status: 200, body: items.slice((page - 1) * size, page * size) };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    ...store,
    faults,
    requests,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function refused(response: ServerResponse, fault: GitHubFault): boolean {
  const inThirtySeconds = String(Math.ceil(Date.now() / 1000) + 30);
  switch (fault) {
    case "primary_limit":
      send(
        response,
        403,
        { message: "API rate limit exceeded" },
        {
          "x-ratelimit-remaining": "0",
          "x-ratelimit-reset": inThirtySeconds,
        },
      );
      return true;
    case "secondary_limit":
      send(
        response,
        403,
        { message: "You have exceeded a secondary rate limit" },
        { "retry-after": "7" },
      );
      return true;
    case "forbidden":
      send(
        response,
        403,
        { message: "Resource not accessible by integration" },
        { "x-ratelimit-remaining": "4999" },
      );
      return true;
    case "bad_gateway":
      send(response, 502, { message: "Server Error" });
      return true;
    case "redirect":
      send(response, 307, { message: "Moved" }, { location: "http://elsewhere.example/" });
      return true;
    default:
      return false;
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
