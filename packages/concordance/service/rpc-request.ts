/** Owns what a JSON-RPC request on `/stream` looks like, before its method is known. Pure; throws `Refusal`. */
import type { RpcId } from "../shared/protocol.ts";
import * as parse from "./parse.ts";
import { Refusal } from "./refusal.ts";

const MGET_KEYS_MAX = 256;

/** One request a frame, with an id to answer under. */
export function requestOf(value: unknown): { id: RpcId; method: string; params: unknown } {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const { jsonrpc, id, method, params } = (isObject ? value : {}) as Record<string, unknown>;
  const idOk = typeof id === "number" || (typeof id === "string" && id.length <= 128);
  if (jsonrpc !== "2.0" || !idOk || typeof method !== "string") {
    throw new Refusal("invalid_rpc", 'Send one {"jsonrpc":"2.0","id","method","params"} a frame.');
  }
  return { id, method, params: params ?? {} };
}

/** The names that `kv/mget` asks for. */
export function keysOf(value: unknown) {
  if (!Array.isArray(value) || value.length === 0 || value.length > MGET_KEYS_MAX) {
    throw new Refusal("invalid_request", `keys must list 1 to ${MGET_KEYS_MAX} keys.`);
  }
  return value.map((item, position) => {
    const fields = parse.fieldsOf(item, ["namespace", "key"], `keys[${position}]`);
    return { namespace: parse.namespaceOf(fields["namespace"]), key: parse.keyOf(fields["key"]) };
  });
}
