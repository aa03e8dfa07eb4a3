/**
 * Owns `config/*`: scope to namespace, who may read and write which, and who hears of changes. One watch at
 * Concordance serves every connection that subscribed to the same namespace.
 */
import type { Json } from "@concert/concordance";
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { Permission } from "../../auth/permissions.ts";
import { namespaceOf, scopeOnly } from "../../domain/config-namespace.ts";
import {
  type BatchOperation,
  type ConfigRequest,
  type ConfigScope,
  RPC_ERRORS,
} from "../../protocol/index.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Connection } from "../../transport/Connection.ts";
import type { ConfigRefusal } from "../../transport/Router.ts";
import { ConcordanceClient } from "../../upstream/ConcordanceClient.ts";
import type { Refused } from "../../upstream/upstream-http.ts";
import { requirePermission, viewFor } from "../access.ts";

const NAMESPACES_MAX = 64;

/** Who listens to which namespace; the scope is what its subscribers call it. */
interface Listening {
  readonly scope: ConfigScope;
  readonly connections: Set<Connection>;
}

export class ConfigListeners extends Context.Service<
  ConfigListeners,
  {
    /** False when `actor` is not on the connection any more: then nothing was added. */
    readonly add: (
      connection: Connection,
      actor: Actor,
      namespace: string,
      scope: ConfigScope,
    ) => Effect.Effect<boolean>;
    readonly remove: (connection: Connection, namespace: string) => Effect.Effect<void>;
    readonly removeAll: (connection: Connection) => Effect.Effect<void>;
    readonly countOf: (connection: Connection) => number;
  }
>()("diminuendo/session/ConfigListeners") {
  static readonly layer = Layer.effect(
    ConfigListeners,
    Effect.gen(function* () {
      const broadcaster = yield* Broadcaster;
      const concordance = yield* ConcordanceClient;
      const listening = new Map<string, Listening>();
      const ofConnection = (connection: Connection) =>
        [...listening].filter(([, { connections }]) => connections.has(connection));

      concordance.onChange(({ namespace, key, value, version }) => {
        const heard = listening.get(namespace);
        if (heard === undefined) return;
        const params = { ...heard.scope, key, value, version };
        broadcaster.toNamespace(namespace, { jsonrpc: "2.0", method: "config/update", params });
      });

      const remove = Effect.fnUntraced(function* (connection: Connection, namespace: string) {
        broadcaster.dropNamespace(connection, namespace);
        const heard = listening.get(namespace);
        if (heard === undefined || !heard.connections.delete(connection)) return;
        if (heard.connections.size > 0) return;
        listening.delete(namespace);
        yield* concordance.unwatch(namespace);
      });

      return ConfigListeners.of({
        remove,
        countOf: (connection) => ofConnection(connection).length,
        add: Effect.fnUntraced(function* (connection, actor, namespace, scope) {
          yield* connection.untilSignedIn;
          if (!connection.isStill(actor)) return false;
          const heard = listening.get(namespace) ?? { scope, connections: new Set() };
          listening.set(namespace, heard);
          heard.connections.add(connection);
          broadcaster.hearNamespace(connection, namespace);
          yield* concordance.watch(namespace);
          return true;
        }),
        removeAll: (connection) =>
          Effect.forEach(ofConnection(connection), ([namespace]) => remove(connection, namespace), {
            discard: true,
          }),
      });
    }),
  );
}

export const handleConfig = Effect.fn("handleConfig")(function* (
  connection: Connection,
  actor: Actor,
  request: ConfigRequest,
) {
  if (request.method === "config/batch") return yield* batch(request.params.operations, actor);
  const writes = request.method === "config/set" || request.method === "config/delete";
  yield* authorize(actor, request.params, writes);
  const namespace = namespaceOf(request.params, actor);
  switch (request.method) {
    case "config/get":
      return yield* get(namespace, request.params.key);
    case "config/set":
      return yield* set(namespace, request.params.key, request.params.value, actor);
    case "config/delete":
      return { deleted: yield* remove(namespace, request.params.key, actor) };
    case "config/list":
      return { items: yield* list(namespace, request.params.prefix) };
    case "config/subscribe":
      return yield* subscribe(connection, actor, namespace, scopeOnly(request.params));
    case "config/unsubscribe":
      yield* (yield* ConfigListeners).remove(connection, namespace);
      return {};
  }
});

const subscribe = Effect.fnUntraced(function* (
  connection: Connection,
  actor: Actor,
  namespace: string,
  scope: ConfigScope,
) {
  const listeners = yield* ConfigListeners;
  if (listeners.countOf(connection) >= NAMESPACES_MAX) return yield* Effect.fail(tooMany);
  const added = yield* listeners.add(connection, actor, namespace, scope);
  return added ? {} : yield* Effect.fail(somebodyElse);
});

/** Every operation needs what it would need alone. */
const batch = Effect.fnUntraced(function* (asked: readonly BatchOperation[], actor: Actor) {
  for (const operation of asked) yield* authorize(actor, operation, true);
  const operations = asked.map((operation) => {
    const place = { namespace: namespaceOf(operation, actor), key: operation.key };
    return operation.op === "set"
      ? { op: operation.op, ...place, value: operation.value as Json }
      : { op: operation.op, ...place };
  });
  const concordance = yield* ConcordanceClient;
  const versions = yield* concordance
    .batch(operations, `user:${actor.user}`)
    .pipe(Effect.catchTag("Refused", asRefusal));
  return { versions };
});

/** Own preferences and devices are everybody's to set; what others share needs a role. */
const WRITE_NEEDS: Readonly<Record<ConfigScope["scope"], Permission>> = {
  user: "session:read",
  device: "session:read",
  session: "session:write",
  project: "session:write",
  tenant: "tenant:admin",
};

const authorize = Effect.fnUntraced(function* (actor: Actor, scope: ConfigScope, writes: boolean) {
  yield* requirePermission(actor, writes ? WRITE_NEEDS[scope.scope] : "session:read");
  if (scope.scope === "session") yield* viewFor(actor, "session:read", scope.sessionId);
});

const get = Effect.fnUntraced(function* (namespace: string, key: string) {
  const concordance = yield* ConcordanceClient;
  const entry = yield* concordance.get(namespace, key).pipe(Effect.catchTag("Refused", asRefusal));
  if (entry === null) {
    return yield* Effect.fail(refusal(RPC_ERRORS.notFound, "There is no such key."));
  }
  return entry;
});

const remove = Effect.fnUntraced(function* (namespace: string, key: string, actor: Actor) {
  const concordance = yield* ConcordanceClient;
  return yield* concordance
    .remove(namespace, key, `user:${actor.user}`)
    .pipe(Effect.catchTag("Refused", asRefusal));
});

const list = Effect.fnUntraced(function* (namespace: string, prefix: string | undefined) {
  const concordance = yield* ConcordanceClient;
  return yield* concordance.list(namespace, prefix).pipe(Effect.catchTag("Refused", asRefusal));
});

const set = Effect.fnUntraced(function* (
  namespace: string,
  key: string,
  value: unknown,
  actor: Actor,
) {
  const concordance = yield* ConcordanceClient;
  return yield* concordance
    .set(namespace, key, value, `user:${actor.user}`)
    .pipe(Effect.catchTag("Refused", asRefusal));
});

const refusal = (code: number, message: string): ConfigRefusal => ({
  _tag: "ConfigRefusal",
  code,
  message,
});

const tooMany = refusal(
  RPC_ERRORS.invalidRequest,
  `A connection subscribes to at most ${NAMESPACES_MAX} scopes.`,
);

const somebodyElse = refusal(
  RPC_ERRORS.permissionDenied,
  "Somebody else has signed in on this connection meanwhile; ask again.",
);

/** Concordance understood and said no: 4xx about the key or the value is the client's to mend. */
const asRefusal = ({ status, message }: Refused) =>
  Effect.fail(
    status === 401 || status === 403
      ? refusal(RPC_ERRORS.upstreamUnavailable, "Configuration is not available now.")
      : refusal(RPC_ERRORS.invalidParams, message),
  );
