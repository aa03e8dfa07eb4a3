/** Owns asking a running Concord or gateway over HTTP: where it is, with which key, and what a refusal says. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConcordError } from "@concert/concord/client";
import { readRunState } from "../stack/run-lock.ts";
import { loadKeys } from "../stack/secrets.ts";

export interface Connection {
  readonly url: string;
  /** Absent: none is sent, which a gateway in development mode accepts. */
  readonly key: string | undefined;
  /** Where the key was found, as words for a person. */
  readonly keyFrom: string;
  /** Who is asked, and which variable holds the key, for what a person is told. */
  readonly title: string;
  readonly keyEnv: string;
}

export interface ConnectionFlags {
  readonly url?: string;
  readonly key?: string;
  readonly dataDir: string;
}

type Env = Readonly<Record<string, string | undefined>>;

export type Service = "concord" | "gateway";

interface Place {
  /** As the stack calls it. */
  readonly name: string;
  readonly title: string;
  readonly defaultUrl: string;
  readonly urlEnv: string;
  readonly keyEnv: string;
}

export const PLACES: Readonly<Record<Service, Place>> = {
  concord: {
    name: "concord",
    title: "Concord",
    defaultUrl: "http://127.0.0.1:4200",
    urlEnv: "CONCORD_URL",
    keyEnv: "CONCORD_API_KEY",
  },
  gateway: {
    name: "diminuendo",
    title: "The gateway",
    defaultUrl: "http://127.0.0.1:8080",
    urlEnv: "DIMINUENDO_URL",
    keyEnv: "DIMINUENDO_API_KEY",
  },
};
/** What a Concord without keys of its own accepts. */
const DEVELOPMENT_KEY = "dev";
const WITHIN_MS = 30_000;

/** Flag, then environment, then what the stack on the data folder says, then the development defaults. */
export function connectionOf(
  flags: ConnectionFlags,
  env: Env,
  service: Service = "concord",
): Connection {
  const folder = resolve(flags.dataDir);
  const place = PLACES[service];
  const running = readRunState(folder)?.services[place.name]?.url;
  const url = flags.url ?? env[place.urlEnv] ?? running ?? place.defaultUrl;
  const { title, keyEnv } = place;
  const key = service === "gateway" ? personsKey(flags, env) : keyOf(flags, folder, env);
  return { url: url.replace(/\/+$/, ""), title, keyEnv, ...key };
}

type Key = Pick<Connection, "key" | "keyFrom">;

/** The gateway wants to know a person: an API key or a token of the OpenID provider. */
function personsKey(flags: ConnectionFlags, env: Env): Key {
  if (flags.key !== undefined) return { key: flags.key, keyFrom: "of --key" };
  const key = env[PLACES.gateway.keyEnv];
  if (key === undefined) return { key, keyFrom: "(none was given)" };
  return { key, keyFrom: `of ${PLACES.gateway.keyEnv}` };
}

function keyOf(flags: ConnectionFlags, folder: string, env: Env): Key {
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

export function apiOf({ url, key, keyFrom, title, keyEnv }: Connection): Api {
  const text = async ({ method, path, query = {}, body }: Question): Promise<string> => {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(String(value))}`],
    );
    const search = parameters.length === 0 ? "" : `?${parameters.join("&")}`;
    const response = await fetch(`${url}${path}${search}`, {
      method: method ?? "GET",
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      signal: AbortSignal.timeout(WITHIN_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ConcordError(
        0,
        "unreachable",
        `${title} does not answer at ${url}: is it running?`,
        {
          cause: error,
        },
      );
    });
    if (response.status === 401) {
      const message = `${url} does not accept the key ${keyFrom}: give another with --key or ${keyEnv}, or name the stack's folder with --data-dir`;
      throw new ConcordError(401, "unauthorized", message);
    }
    if (!response.ok) throw await ConcordError.from(response);
    return response.text();
  };
  return { text, ask: async (question) => JSON.parse(await text(question)) as unknown };
}

/** As the gateway tells what is wrong with a definition. */
interface Problem {
  readonly path: string;
  readonly problem: string;
}

/** What a person reads about a refusal: the code programs look at, the words, and where the log has it. */
export function refusalText(error: ConcordError): string {
  const trace = error.traceId === undefined ? "" : ` (trace ${error.traceId})`;
  const { problems = [] } = (error.details ?? {}) as { problems?: readonly Problem[] };
  const lines = problems.map(({ path, problem }) => `\n  ${path}: ${problem}`);
  return `${error.code}: ${error.message}${trace}${lines.join("")}`;
}
