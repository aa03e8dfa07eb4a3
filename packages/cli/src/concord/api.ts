/** Owns asking a running Concord over HTTP: where it is, with which key, and what a refusal says. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConcordError } from "@concert/concord/client";
import { readRunState } from "../stack/run-lock.ts";
import { loadKeys } from "../stack/secrets.ts";

export interface Connection {
  readonly url: string;
  readonly key: string;
}

export interface ConnectionFlags {
  readonly url?: string;
  readonly key?: string;
  readonly dataDir: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const DEFAULT_URL = "http://127.0.0.1:4200";
/** What a Concord without keys of its own accepts. */
const DEVELOPMENT_KEY = "dev";
const WITHIN_MS = 30_000;

/** Flag, then environment, then what the stack on the data folder says, then the development defaults. */
export function connectionOf(flags: ConnectionFlags, env: Env): Connection {
  const folder = resolve(flags.dataDir);
  const running = readRunState(folder)?.services["concord"]?.url;
  const url = flags.url ?? env["CONCORD_URL"] ?? running ?? DEFAULT_URL;
  return {
    url: url.replace(/\/+$/, ""),
    key: flags.key ?? env["CONCORD_API_KEY"] ?? keyOf(folder, env),
  };
}

function keyOf(folder: string, env: Env): string {
  if (!existsSync(join(folder, "secrets.json"))) return DEVELOPMENT_KEY;
  const [first = DEVELOPMENT_KEY] = loadKeys(folder, env).concordApiKeys.split("=");
  return first;
}

export interface Question {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
}

export interface Api {
  /** The answer, parsed. Throws `ConcordError`. */
  ask(question: Question): Promise<unknown>;
  /** The answer as it came. */
  text(question: Question): Promise<string>;
}

export function apiOf({ url, key }: Connection): Api {
  const text = async ({ method, path, query = {}, body }: Question): Promise<string> => {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(String(value))}`],
    );
    const search = parameters.length === 0 ? "" : `?${parameters.join("&")}`;
    const response = await fetch(`${url}${path}${search}`, {
      method: method ?? "GET",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(WITHIN_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ConcordError(
        0,
        "unreachable",
        `Concord does not answer at ${url}: is it running?`,
        {
          cause: error,
        },
      );
    });
    if (!response.ok) throw await ConcordError.from(response);
    return response.text();
  };
  return { text, ask: async (question) => JSON.parse(await text(question)) as unknown };
}

/** What a person reads about a refusal: the code programs look at, the words, and where the log has it. */
export function refusalText(error: ConcordError): string {
  const trace = error.traceId === undefined ? "" : ` (trace ${error.traceId})`;
  return `${error.code}: ${error.message}${trace}`;
}
