/**
 * Owns what the gateway asks of Concordance, with failures in the gateway's words. The conversation itself is
 * `@concert/concordance`'s client. Refuses to own: which watches are open (tenant-watches.ts).
 */
import {
  ConcordanceError,
  type Json,
  type Operation,
  REFUSALS,
  ConcordanceClient as Shared,
} from "@concert/concordance";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import { Breakers } from "../resilience/Breakers.ts";
import { readPolicy } from "../resilience/retry-policy.ts";
import { type ConfigChange, TenantWatches } from "./tenant-watches.ts";
import { Refused, Unreachable, type UpstreamError } from "./upstream-http.ts";

export interface ConfigEntry {
  readonly value: unknown;
  readonly version: number;
}

export class ConcordanceClient extends Context.Service<
  ConcordanceClient,
  {
    /** Null when there is no such key. */
    readonly get: (
      namespace: string,
      key: string,
    ) => Effect.Effect<ConfigEntry | null, UpstreamError>;
    readonly set: (
      namespace: string,
      key: string,
      value: unknown,
      actor: string,
    ) => Effect.Effect<{ readonly version: number }, UpstreamError>;
    /** Whether there was such a key. */
    readonly remove: (
      namespace: string,
      key: string,
      actor: string,
    ) => Effect.Effect<boolean, UpstreamError>;
    readonly list: (
      namespace: string,
      prefix: string | undefined,
    ) => Effect.Effect<readonly (ConfigEntry & { readonly key: string })[], UpstreamError>;
    /** All operations or none; the version each left, 0 where there was nothing to delete. */
    readonly batch: (
      operations: readonly Operation[],
      actor: string,
    ) => Effect.Effect<readonly number[], UpstreamError>;
    /** Tells `listener` of every change of a watched namespace. One listener: the router. */
    readonly onChange: (listener: (change: ConfigChange) => void) => void;
    /** Done once no later change can be missed; see `TenantWatches.add`. */
    readonly watch: (namespace: string) => Effect.Effect<void>;
    readonly unwatch: (namespace: string) => Effect.Effect<void>;
  }
>()("diminuendo/upstream/ConcordanceClient") {
  static readonly layer = Layer.effect(
    ConcordanceClient,
    Effect.gen(function* () {
      const { concordance } = yield* AppConfig;
      const { guard } = yield* Breakers;
      const ask = <A>(request: () => Promise<A>) =>
        guard("concordance", Effect.tryPromise({ try: request, catch: failureOf }));
      const client = new Shared({ url: concordance.url, apiKey: concordance.key });
      const run = Effect.runForkWith(yield* Effect.context());
      let listener: (change: ConfigChange) => void = () => {};
      const watches = new TenantWatches(client, {
        onChange: (change) => listener(change),
        onTrouble: (sentence) => void run(Effect.logWarning(`config: ${sentence}`)),
      });
      yield* Effect.addFinalizer(() => Effect.sync(() => watches.close()));
      return ConcordanceClient.of({
        get: (namespace, key) =>
          ask(() => client.get(namespace, key)).pipe(
            Effect.retry({ schedule: readPolicy, while: (error) => error._tag === "Unreachable" }),
            Effect.map((entry) => entry && { value: entry.value, version: entry.version }),
          ),
        set: (namespace, key, value, actor) =>
          // Whatever it is, it was JSON when it came in.
          ask(() => client.set(namespace, key, value as Json, { actor })).pipe(
            Effect.map(({ version }) => ({ version })),
          ),
        remove: (namespace, key, actor) =>
          Effect.map(
            ask(() => client.delete(namespace, key, { actor })),
            (result) => result !== null,
          ),
        list: (namespace, prefix) =>
          ask(() => client.list(namespace, prefix === undefined ? {} : { prefix })).pipe(
            Effect.retry({ schedule: readPolicy, while: (error) => error._tag === "Unreachable" }),
            Effect.map(({ items }) =>
              items.map(({ key, value, version }) => ({ key, value, version })),
            ),
          ),
        batch: (operations, actor) =>
          Effect.map(
            ask(() => client.batch(operations, { actor })),
            ({ results }) => results.map(({ version }) => version),
          ),
        onChange: (told) => {
          listener = told;
        },
        watch: (namespace) => Effect.promise(() => watches.add(namespace)),
        unwatch: (namespace) => Effect.sync(() => watches.remove(namespace)),
      });
    }),
  );
}

/** Only a refusal is final: it says that nothing happened and that asking again will not help. */
function failureOf(error: unknown): UpstreamError {
  const service = "concordance";
  if (!(error instanceof ConcordanceError)) {
    return new Unreachable({ service, reason: String(error) });
  }
  const { code, message } = error;
  const status = code in REFUSALS ? REFUSALS[code as keyof typeof REFUSALS].status : 503;
  return status < 500
    ? new Refused({ service, status, code, message })
    : new Unreachable({ service, reason: `${code}: ${message}` });
}
