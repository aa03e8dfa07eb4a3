/** Owns which cluster a command asks, with which key, trusting whom, and how patiently. */
import { readFileSync } from "node:fs";
import { ConcordanceClient } from "../../shared/client.ts";
import type { Trust } from "../../shared/exchange.ts";
import { type Call, type Options, UsageError, wholeNumber } from "./command.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Target {
  readonly urls: readonly string[];
  readonly apiKey: string;
  readonly trust: Trust;
  readonly client: ConcordanceClient;
}

const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);
const DEVELOPMENT_KEY = "dev";

export const TARGET_OPTIONS: Options = {
  url: {
    placeholder: "http://host:port,…",
    help: "Members to ask, in order (CONCORDANCE_URL; http://127.0.0.1:4100).",
  },
  "api-key-file": { placeholder: "path", help: "Holds the key (otherwise CONCORDANCE_API_KEY)." },
  "ca-file": {
    placeholder: "path",
    help: "PEM of the authority to trust for https (CONCORDANCE_CA_FILE; the system's).",
  },
  "timeout-ms": { placeholder: "ms", help: "For one try; 5000 unless told." },
  "retry-for-ms": {
    placeholder: "ms",
    help: "Go on asking so long while nobody serves; 0 with one address, else 10000.",
  },
};

/** Throws `UsageError` for settings that cannot be used. */
export function targetOf(option: Call["option"], env: Environment): Target {
  const urls = urlsOf(option("url") ?? (env["CONCORDANCE_URL"] || "http://127.0.0.1:4100"));
  const apiKey = keyOf(option("api-key-file"), urls, env);
  const caFile = option("ca-file") ?? (env["CONCORDANCE_CA_FILE"] || null);
  const ca = caFile === null ? null : textOf("ca-file", caFile);
  const trust = ca === null ? {} : { tls: { ca } };
  const timeoutMs = wholeNumber(option, "timeout-ms", 1);
  const retryForMs = wholeNumber(option, "retry-for-ms", 0);
  const client = new ConcordanceClient({
    url: urls,
    apiKey,
    ...(ca === null ? {} : { ca }),
    ...(timeoutMs === null ? {} : { timeoutMs }),
    ...(retryForMs === null ? {} : { retryForMs }),
  });
  return { urls, apiKey, trust, client };
}

function urlsOf(text: string): readonly string[] {
  const urls = text.split(",").map((one) => one.trim().replace(/\/+$/, ""));
  const wrong = urls.find((one) => !/^https?:$/.test(URL.parse(one)?.protocol ?? ""));
  if (wrong === undefined) return urls;
  throw new UsageError(
    `"${wrong}" is no address of a member; --url or CONCORDANCE_URL needs http://host:port, several divided by commas`,
  );
}

/** From a file or the environment only: an argument can be seen by every process of the machine. */
function keyOf(file: string | null, urls: readonly string[], env: Environment): string {
  const key = file === null ? env["CONCORDANCE_API_KEY"] : textOf("api-key-file", file).trim();
  if (key !== undefined && key !== "") {
    if (!/\s/.test(key)) return key;
    throw new UsageError("the key holds white space; keys have none");
  }
  const isLocal = urls.every((one) => LOOPBACK.has(URL.parse(one)?.hostname ?? ""));
  if (isLocal) return DEVELOPMENT_KEY;
  throw new UsageError("no key: set CONCORDANCE_API_KEY, or name a file with --api-key-file");
}

function textOf(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--${option}=${path} cannot be read: ${why}`);
  }
}
