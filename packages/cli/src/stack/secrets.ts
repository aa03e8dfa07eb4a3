/**
 * Owns the keys of one stack: random, made once, kept in `secrets.json` (mode 0600) beside the data they
 * protect. An environment variable of the same meaning wins. Refuses to own: who receives which key.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Each key with the environment variable that overrides it. */
const KEY_ENV = {
  concordanceApiKey: "CONCORDANCE_API_KEY",
  concordanceAgentApiKey: "CONCORDANCE_AGENT_API_KEY",
  /** Under which credentials are kept: without it they cannot be read again. */
  concordanceEncryptionKey: "CONCORDANCE_ENCRYPTION_KEY",
  ensembleApiKey: "ENSEMBLE_API_KEY",
  concordServiceKey: "CONCORD_SERVICE_KEY",
  /** The operator's key, with whom it stands for; otherwise Concord would accept its development key. */
  concordApiKeys: "CONCORD_API_KEYS",
  podiumApiKey: "PODIUM_API_KEY",
  internalSecret: "CONCERT_INTERNAL_SECRET",
  hotelVendorApiKey: "HOTEL_VENDOR_API_KEY",
  postgresPassword: "CONCERT_POSTGRES_PASSWORD",
} as const;

/** The person of the development mode, as Concord's `--api-keys` writes it. */
const OPERATOR = "dev:dev-user-001:owner|operator|finance_approvers:book_travel";

type KeyName = keyof typeof KEY_ENV;
export type StackKeys = Readonly<Record<KeyName, string>>;
type Env = Readonly<Record<string, string | undefined>>;

const KEY_NAMES = Object.keys(KEY_ENV) as readonly KeyName[];
/** Every variable that carries a key; a service inherits none of them by accident. */
export const KEY_ENV_NAMES: readonly string[] = Object.values(KEY_ENV);

/** The keys of the stack in `dataDir`, made and stored when they are missing. Throws when the file is damaged. */
export function loadKeys(dataDir: string, env: Env): StackKeys {
  const path = join(dataDir, "secrets.json");
  const stored = existsSync(path) ? readStored(path) : {};
  const complete = keysFrom((name) => stored[name] ?? newKey(name));
  if (KEY_NAMES.some((name) => stored[name] === undefined)) store(path, dataDir, complete);
  return keysFrom((name) => nonEmpty(env[KEY_ENV[name]]) ?? complete[name]);
}

function keysFrom(keyFor: (name: KeyName) => string): StackKeys {
  return Object.fromEntries(KEY_NAMES.map((name) => [name, keyFor(name)])) as StackKeys;
}

function newKey(name: KeyName): string {
  if (name === "concordanceEncryptionKey") return randomBytes(32).toString("base64");
  const key = randomBytes(24).toString("base64url");
  return name === "concordApiKeys" ? `${key}=${OPERATOR}` : key;
}

function readStored(path: string): Partial<Record<string, string>> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Partial<Record<string, string>>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(
      `${path} is not valid JSON; restore it, or start afresh with another --data-dir`,
    );
  }
}

function store(path: string, dataDir: string, keys: StackKeys): void {
  mkdirSync(dataDir, { recursive: true });
  // Written aside and renamed: a cut never leaves half a file where the only copy of the keys was.
  writeFileSync(`${path}.new`, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
