/**
 * Owns the settings of a member: flag > environment > default, from one table that also prints `--help`.
 * Written here because Concordance takes no package at run time. Refuses to own: acting on them (main.ts).
 */
import { LIMITS, type Quota } from "../shared/types.ts";
import { type Flag, TABLE } from "./settings.ts";
import type { TlsFiles } from "./transport.ts";

export interface Config {
  /** Null = the data directory's own id, or a new one for a new directory. */
  readonly nodeId: string | null;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly bootstrap: boolean;
  /** `host:port` of any member of the cluster to join, or null. */
  readonly join: string | null;
  /** `host:port` where other members reach this one; null = where it listens. */
  readonly advertise: string | null;
  readonly compactEntries: number;
  /** Address of the Valkey or Redis server that keeps the data; null = our own Raft and SQLite. */
  readonly engine: string | null;
  readonly apiKey: string;
  readonly agentKey: string;
  /** Whether a key that everyone knows is in use. */
  readonly development: boolean;
  /** Base64 of 32 bytes, or null. */
  readonly encryptionKey: string | null;
  readonly encryptionKeyFile: string | null;
  readonly tls: TlsFiles;
  readonly valueBytesMax: number;
  /** What each tenant may hold. */
  readonly quota: Quota;
}

/** Settings that cannot be used; one sentence a line, each saying what is accepted. */
export class SettingError extends Error {}

type Values = ReadonlyMap<Flag, string>;

const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

/** Reads the settings. Throws `SettingError` with every problem at once; never repeats a secret. */
export function readConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const problems: string[] = [];
  const values = valuesOf(flagsOf(argv, problems), env);
  const listen = listenOf(values.get("listen") ?? "", problems);
  const bootstrap = toggleOf(values.get("bootstrap") ?? "", problems);
  const apiKey = values.get("api-key") ?? "";
  const agentKey = values.get("agent-key") ?? "";
  problems.push(...keyProblems(apiKey, agentKey, listen.host));
  const nodeId = values.get("node-id") || null;
  if (nodeId !== null && !/^[\w.-]{1,64}$/.test(nodeId)) {
    problems.push("--node-id needs 1 to 64 letters, digits, dots, dashes or underscores");
  }
  const join = addressOf(values, "join", problems);
  const advertise = addressOf(values, "advertise", problems);
  if (join !== null && bootstrap) {
    problems.push("--bootstrap founds a cluster and --join enters one: give one of them");
  }
  const compactEntries = wholeOf(values, "compact-entries", { min: 100 }, problems);
  const sizes = { min: 64, max: LIMITS.valueBytesMax };
  const valueBytesMax = wholeOf(values, "value-bytes-max", sizes, problems);
  const quota = {
    keysMax: wholeOf(values, "tenant-keys-max", { min: 1 }, problems),
    bytesMax: wholeOf(values, "tenant-bytes-max", { min: 1_024 }, problems),
  };
  const engine = engineOf(values, problems);
  if (problems.length > 0) throw new SettingError(problems.join("\n"));
  const dataDir = values.get("data-dir") ?? "";
  const cluster = { bootstrap, join, advertise, compactEntries, engine };
  const encryption = {
    encryptionKey: values.get("encryption-key") || null,
    encryptionKeyFile: values.get("encryption-key-file") || null,
  };
  const tls = {
    certFile: values.get("tls-cert") || null,
    keyFile: values.get("tls-key") || null,
    peerCaFile: values.get("tls-peer-ca") || null,
  };
  const keys = { apiKey, agentKey, tls, development: isDevelopment(apiKey, agentKey) };
  return { nodeId, ...listen, dataDir, ...cluster, ...keys, ...encryption, valueBytesMax, quota };
}

function wholeOf(
  values: Values,
  flag: Flag,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
  problems: string[],
): number {
  const number = Number(values.get(flag));
  if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
  const upTo = max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`;
  problems.push(`--${flag} needs a whole number from ${min}${upTo}`);
  return min;
}

function isDevelopment(apiKey: string, agentKey: string): boolean {
  return apiKey === "dev" || agentKey === "dev-agent";
}

function addressOf(values: Values, flag: "join" | "advertise", problems: string[]): string | null {
  const text = values.get(flag) ?? "";
  if (text === "") return null;
  if (/^(\[[0-9a-fA-F:]+\]|[^:\s/]+):\d{1,5}$/.test(text)) return text;
  problems.push(`--${flag} needs host:port, for example 127.0.0.1:4100, got "${text}"`);
  return null;
}

/** Never repeats the address: it may hold a password. */
function engineOf(values: Values, problems: string[]): string | null {
  const text = values.get("engine") ?? "";
  if (text === "raft") return null;
  const url = URL.parse(text);
  const isAddress =
    url !== null &&
    /^(valkeys?|rediss?):$/.test(url.protocol) &&
    url.hostname !== "" &&
    /^(\/\d{0,4})?$/.test(url.pathname) &&
    url.search === "" &&
    url.hash === "";
  if (!isAddress) {
    problems.push("--engine needs raft, or valkey://[user:password@]host:port/db");
  }
  const flags = (["bootstrap", "join", "advertise", "node-id"] as const).filter(
    (flag) => !["", "false", "0"].includes(values.get(flag) ?? ""),
  );
  for (const flag of flags) {
    problems.push(`--${flag} is for members of a Raft group, and --engine names a server instead`);
  }
  return text;
}

function valuesOf(flags: Values, env: Readonly<Record<string, string | undefined>>): Values {
  return new Map(
    TABLE.map(({ flag, env: name, fallback }) => {
      const fromEnv = env[name] === "" ? undefined : env[name];
      return [flag, flags.get(flag) ?? fromEnv ?? fallback];
    }),
  );
}

function flagsOf(argv: readonly string[], problems: string[]): Values {
  const values = new Map<Flag, string>();
  for (const argument of argv) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const row = TABLE.find(({ flag }) => flag === name);
    if (row === undefined) {
      const accepted = TABLE.map(({ flag }) => `--${flag}`).join(" ");
      problems.push(`unknown argument "${argument.split("=")[0]}"; accepted: ${accepted}`);
    } else if (value !== undefined && value !== "") values.set(row.flag, value);
    else if (row.flag === "bootstrap" && value === undefined) values.set(row.flag, "true");
    else problems.push(`--${row.flag} needs a value: --${row.flag}=<${row.placeholder}>`);
  }
  return values;
}

function listenOf(text: string, problems: string[]): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) {
    problems.push(`--listen needs host:port, for example 127.0.0.1:4100, got "${text}"`);
    return { host: "127.0.0.1", port: 0 };
  }
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

function toggleOf(text: string, problems: string[]): boolean {
  if (text === "true" || text === "1") return true;
  if (text !== "false" && text !== "0")
    problems.push(`--bootstrap needs true or false, got "${text}"`);
  return false;
}

/** Development keys are known to everyone, so they serve this machine only. */
function keyProblems(apiKey: string, agentKey: string, host: string): readonly string[] {
  const problems: string[] = [];
  if (/\s/.test(apiKey + agentKey)) problems.push("keys must not contain white space");
  if (apiKey === agentKey) problems.push("--api-key and --agent-key must differ: one may write");
  if (isDevelopment(apiKey, agentKey) && !LOOPBACK.has(host)) {
    problems.push(
      `--listen=${host} reaches other machines: set CONCORDANCE_API_KEY and CONCORDANCE_AGENT_API_KEY to keys of your own`,
    );
  }
  return problems;
}
