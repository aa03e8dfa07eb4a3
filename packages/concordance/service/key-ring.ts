/**
 * Owns the encryption keys of a member: from a ring file, the environment, or, for development only, a file
 * it makes and keeps in the data directory. A key is named by its own digest, so no two members can mean
 * different keys by one name. Refuses to own: what is encrypted with them (cipher.ts).
 */
import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SettingError } from "./config.ts";

export interface RingKey {
  /** Eight hexadecimal digits; travels with every value sealed under the key. */
  readonly id: string;
  readonly sealing: Buffer;
  readonly digesting: Buffer;
}
/** First the key that seals, then those that only open what was sealed before. */
export type KeyRing = readonly [RingKey, ...RingKey[]];

export interface KeySources {
  /** Base64 of 32 bytes, or null. */
  readonly key: string | null;
  /** A file with one such key a line; `#` begins a comment. */
  readonly file: string | null;
  /** Development keys are in use: a key of one's own is made and kept. */
  readonly development: boolean;
  readonly dataDir: string;
}

const KEY_BYTES = 32;
const RING_KEYS_MAX = 16;
export const DEVELOPMENT_KEY_FILE = "encryption.key";

/** Null when there is no key to be had. Throws `SettingError` for one that cannot be used. */
export function readKeyRing(sources: KeySources): KeyRing | null {
  const { key, file, development, dataDir } = sources;
  if (key !== null && file !== null) {
    throw new SettingError("CONCORDANCE_ENCRYPTION_KEY and --encryption-key-file are both given");
  }
  if (key !== null) return ringOf([key], "CONCORDANCE_ENCRYPTION_KEY");
  if (file !== null) return ringOf(linesOf(file), `--encryption-key-file=${file}`);
  if (!development) return null;
  const kept = join(dataDir, DEVELOPMENT_KEY_FILE);
  return existsSync(kept) ? ringOf(linesOf(kept), kept) : null;
}

/** Makes the development key of a data directory that has none, readable by its owner alone. */
export function makeDevelopmentKey(dataDir: string): void {
  const path = join(dataDir, DEVELOPMENT_KEY_FILE);
  if (existsSync(path)) return;
  mkdirSync(dataDir, { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(KEY_BYTES).toString("base64")}\n`, { mode: 0o600 });
  try {
    // Whole or not at all, and the first one stays when two processes begin at once.
    linkSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(draft);
  }
}

/** Never repeats a key in its complaints. */
export function ringOf(lines: readonly string[], source: string): KeyRing {
  const keys = lines.map((line, position) => ringKeyOf(line, `${source}, key ${position + 1}`));
  const [first, ...rest] = keys;
  if (first === undefined) throw new SettingError(`${source} holds no key`);
  if (keys.length > RING_KEYS_MAX) {
    throw new SettingError(`${source} holds more than ${RING_KEYS_MAX} keys; drop those unused`);
  }
  if (new Set(keys.map(({ id }) => id)).size < keys.length) {
    throw new SettingError(`${source} holds one key twice`);
  }
  return [first, ...rest];
}

function linesOf(file: string): readonly string[] {
  try {
    const lines = readFileSync(file, "utf8").split("\n");
    return lines.map((line) => line.replace(/#.*$/, "").trim()).filter((line) => line !== "");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new SettingError(`the encryption key file ${file} cannot be read (${why})`);
  }
}

function ringKeyOf(text: string, where: string): RingKey {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== KEY_BYTES || bytes.toString("base64") !== text) {
    throw new SettingError(`${where} must be base64 of 32 bytes, as openssl rand -base64 32 makes`);
  }
  const derived = (use: string) =>
    Buffer.from(hkdfSync("sha256", bytes, "", `concordance/1/${use}`, KEY_BYTES));
  const id = createHash("sha256").update(derived("name")).digest("hex").slice(0, 8);
  return { id, sealing: derived("seal"), digesting: derived("digest") };
}
