/**
 * Owns resolving secret references at the moment of use (CON-9): the environment, a mounted file, Concordance. A value
 * is never kept, logged or stored, and an error never quotes what was read.
 */
import { open, realpath } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import type { SecretRef, SecretResolver } from "../../domain/connectors.ts";

/** Resolves what stands after `scheme:`; undefined when there is nothing. */
type Source = (name: string) => Promise<string | undefined>;

export interface SecretSources {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Directories that `file:` may read from, e.g. `/run/secrets`. */
  readonly directories?: readonly string[];
  /** Where `concordance:` reads; only the reading part of the client is used. */
  readonly concordance?: ConfigReader;
}

/** The part of `ConcordanceClient` that is needed. */
export interface ConfigReader {
  get(namespace: string, key: string): Promise<{ readonly value: unknown } | null>;
}

const FILE_BYTES_MAX = 65_536;

export function secretsFrom({ env, directories = [], concordance }: SecretSources): SecretResolver {
  const sources: Readonly<Record<string, Source>> = {
    ...(env === undefined ? {} : { env: async (name: string) => env[name] || undefined }),
    ...(directories.length === 0 ? {} : { file: (path: string) => readFrom(directories, path) }),
    ...(concordance === undefined
      ? {}
      : { concordance: (path: string) => lookUp(concordance, path) }),
  };
  return {
    resolve: async (reference: SecretRef) => {
      const at = reference.indexOf(":");
      return sources[reference.slice(0, at)]?.(reference.slice(at + 1));
    },
  };
}

/** `env:NAME` from `env`; an unset or empty variable is undefined. */
export function envSecrets(env: Readonly<Record<string, string | undefined>>): SecretResolver {
  return secretsFrom({ env });
}

/** The file's text without its last line break. Links are followed first, so that none leads out of `directories`. */
async function readFrom(directories: readonly string[], path: string): Promise<string | undefined> {
  // What is not there is not set, which is told; a directory that is not there allows nothing.
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || !isAbsolute(path)) return undefined;
  const allowed = await Promise.all(directories.map((one) => realpath(one).catch(() => undefined)));
  if (!allowed.some((one) => one !== undefined && isBelow(one, real))) return undefined;
  const file = await open(real, "r");
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(FILE_BYTES_MAX + 1),
      0,
      FILE_BYTES_MAX + 1,
      0,
    );
    if (bytesRead > FILE_BYTES_MAX) throw new Error("the file is too large to be a secret");
    return (
      buffer
        .subarray(0, bytesRead)
        .toString("utf8")
        .replace(/\r?\n$/, "") || undefined
    );
  } finally {
    await file.close();
  }
}

function isBelow(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}

/** `namespace/key`, where the namespace may have slashes of its own; the value is a text. */
async function lookUp(reader: ConfigReader, path: string): Promise<string | undefined> {
  const at = path.lastIndexOf("/");
  if (at < 1) return undefined;
  const entry = await reader.get(path.slice(0, at), path.slice(at + 1));
  const value = entry?.value;
  return typeof value === "string" && value !== "" ? value : undefined;
}
