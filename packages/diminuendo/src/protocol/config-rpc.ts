/**
 * Owns the `config/*` frames: JSON-RPC 2.0 beside the typed messages on the same socket. A frame with
 * `"jsonrpc"` is one of these, a frame with `"type"` is a message. The tenant is never on the wire.
 */
import * as Schema from "effect/Schema";
import { Carried, Count, Id } from "./values.ts";
import { hasUtf8, WellFormedJson } from "./well-formed.ts";

/** One segment of a namespace: no separator may hide in it, and it is not `..`. */
const Segment = Schema.String.check(Schema.isPattern(/^(?!\.+$)[A-Za-z0-9._-]{1,128}$/));
const Key = Schema.NonEmptyString.check(Schema.isMaxLength(512), hasUtf8);

/** Which configuration is meant; the gateway turns it into a namespace of the caller's tenant. */
export const SCOPES = {
  user: { scope: Schema.Literal("user") },
  tenant: { scope: Schema.Literal("tenant") },
  session: { scope: Schema.Literal("session"), sessionId: Segment },
  project: { scope: Schema.Literal("project"), projectId: Segment },
  device: { scope: Schema.Literal("device"), deviceId: Segment },
} as const;

const scoped = <F extends Schema.Struct.Fields>(fields: F) =>
  Schema.Union([
    Schema.Struct({ ...SCOPES.user, ...fields }),
    Schema.Struct({ ...SCOPES.tenant, ...fields }),
    Schema.Struct({ ...SCOPES.session, ...fields }),
    Schema.Struct({ ...SCOPES.project, ...fields }),
    Schema.Struct({ ...SCOPES.device, ...fields }),
  ]);

export const ConfigScope = scoped({});
export type ConfigScope = typeof ConfigScope.Type;

const request = <const M extends string, P extends Schema.Top>(method: M, params: P) =>
  Schema.Struct({
    jsonrpc: Schema.Literal("2.0"),
    id: Schema.Union([Schema.String.check(Schema.isMaxLength(200)), Schema.Finite]),
    method: Schema.Literal(method),
    params,
  });

export const ConfigGet = request("config/get", scoped({ key: Key }));
export const ConfigSet = request("config/set", scoped({ key: Key, value: WellFormedJson }));
export const ConfigDelete = request("config/delete", scoped({ key: Key }));
export const ConfigList = request(
  "config/list",
  scoped({ prefix: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(512), hasUtf8)) }),
);

const BATCH_OPERATIONS_MAX = 128;
const BatchOperation = Schema.Union([
  scoped({ op: Schema.Literal("set"), key: Key, value: WellFormedJson }),
  scoped({ op: Schema.Literal("delete"), key: Key }),
]);
/** All operations or none; they may be of several scopes. */
export const ConfigBatch = request(
  "config/batch",
  Schema.Struct({
    operations: Schema.Array(BatchOperation).check(
      Schema.isMinLength(1),
      Schema.isMaxLength(BATCH_OPERATIONS_MAX),
    ),
  }),
);
export type BatchOperation = typeof BatchOperation.Type;

export const ConfigSubscribe = request("config/subscribe", ConfigScope);
export const ConfigUnsubscribe = request("config/unsubscribe", ConfigScope);
export const ConfigRequest = Schema.Union([
  ConfigGet,
  ConfigSet,
  ConfigDelete,
  ConfigList,
  ConfigBatch,
  ConfigSubscribe,
  ConfigUnsubscribe,
]);
export type ConfigRequest = typeof ConfigRequest.Type;

const Entry = Schema.Struct({ key: Schema.String, value: Carried, version: Count });

/**
 * `config/get` answers `{value, version}`, `config/set` `{version}`, `config/delete` `{deleted}`, `config/list`
 * `{items}`, `config/batch` `{versions}`, one for each operation, the other two `{}`.
 */
export const ConfigAnswer = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.Union([Schema.String, Schema.Finite, Schema.Null]),
  result: Schema.Struct({
    value: Schema.optionalKey(Carried),
    version: Schema.optionalKey(Count),
    deleted: Schema.optionalKey(Schema.Boolean),
    items: Schema.optionalKey(Schema.Array(Entry)),
    versions: Schema.optionalKey(Schema.Array(Count)),
  }),
});
export const ConfigFailure = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.Union([Schema.String, Schema.Finite, Schema.Null]),
  error: Schema.Struct({ code: Schema.Int, message: Schema.String }),
});
/** A key of a subscribed scope changed. `value` is null and `version` 0 once the key is deleted. */
export const ConfigUpdate = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  method: Schema.Literal("config/update"),
  params: scoped({ key: Schema.String, value: Carried, version: Count }),
});
export const ConfigFrame = Schema.Union([ConfigAnswer, ConfigFailure, ConfigUpdate]);

export type ConfigAnswer = typeof ConfigAnswer.Type;
export type ConfigFailure = typeof ConfigFailure.Type;
export type ConfigUpdate = typeof ConfigUpdate.Type;
/** Every JSON-RPC frame a server may send. */
export type ConfigFrame = typeof ConfigFrame.Type;

/** Kept with the schemas so that an id of a broken request can still be answered. */
export const RpcId = Schema.Struct({ id: Schema.Union([Id, Schema.Finite]) });
