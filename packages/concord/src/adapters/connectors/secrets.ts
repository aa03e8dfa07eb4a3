/** Owns resolving secret references at the moment of use. A value is never kept, logged or stored. */
import type { SecretResolver } from "../../domain/connectors.ts";

/** `env:NAME` from `env`; an unset or empty variable is undefined. */
export function envSecrets(env: Readonly<Record<string, string | undefined>>): SecretResolver {
  return {
    resolve: (reference) => env[reference.slice("env:".length)] || undefined,
  };
}
