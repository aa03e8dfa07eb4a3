/** Owns asking a running Concord over HTTP: where it is, with which key, and what a refusal says. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConcordError } from "@concert/concord/client";
import { readRunState } from "../stack/run-lock.ts";
import { loadKeys } from "../stack/secrets.ts";

export interface Connection {
  readonly url: string;
  readonly key: string;
  /** Where the key was found, as words for a person. */
  readonly keyFrom: string;
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
  return { url: url.replace(/\/+$/, ""), ...keyOf(flags, folder, env) };
}

function keyOf(flags: ConnectionFlags, folder: string, env: Env): Omit<Connection, "url"> {
  if (flags.key !== undefined) return { key: flags.key, keyFrom: "of --key" };
  const given = env["CONCORD_API_KEY"];
  if (given !== undefined) return { key: given, keyFrom: "of CONCORD_API_KEY" };
  if (!existsSync(join(folder, "secrets.json"))) {
    return { key: DEVELOPMENT_KEY, keyFrom: `for development (${folder} holds no keys)` };
  }
  const [first = DEVELOPMENT_KEY] = loadKeys(folder, env).concordApiKeys.split("=");
  return { key: first, keyFrom: `of ${folder}` };
}

export interface Question {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
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

export function apiOf({ url, key, keyFrom }: Connection): Api {
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
    if (response.status === 401) {
      const message = `${url} does not accept the key ${keyFrom}: give another with --key or CONCORD_API_KEY, or name the stack's folder with --data-dir`;
      throw new ConcordError(401, "unauthorized", message);
    }
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
