/**
 * Owns the routes of the data, below `/api/v1`: `kv`, `batch`, `changes`. Refuses to own: what an operation
 * does (api.ts), what a request looks like inside (parse.ts).
 */
import { LIMITS } from "../shared/types.ts";
import type { Author, KvApi } from "./api.ts";
import { bodyOf, type Call, decoded, type Handler, only, queryOf, requestIdOf } from "./http.ts";
import { mayWrite } from "./keys.ts";
import * as parse from "./parse.ts";

const freshnessOf = (url: URL) => parse.freshnessOf(queryOf(url, parse.FRESHNESS_FIELDS));
/** What nearly all reads of one key ask for, which would otherwise be a fifth of their cost. */
const USUAL = new Map(
  ["", "?consistency=local", "?consistency=linearizable"].map((search) => [
    search,
    freshnessOf(new URL(search, "http://any")),
  ]),
);

/** The handler of `/batch`. */
export function batchRoute(api: KvApi, method: string): Handler {
  only(method, ["POST"]);
  return async (call) => {
    mayWrite(call.caller);
    const body = parse.fieldsOf(await bodyOf(call.request), ["operations", "actor"], "The body");
    const operations = parse.batchOf(body["operations"], Date.now());
    return api.batch(authorOf(body["actor"], call), operations);
  };
}

/** The handler of `/changes`. */
export function changesRoute(api: KvApi, method: string): Handler {
  only(method, ["GET"]);
  return ({ url, caller, mayTakeMs }) => {
    const { query, freshness } = changesQueryOf(url);
    mayTakeMs(query.waitMs);
    return api.fresh(caller, freshness, () => api.changes(caller, query));
  };
}

/** The handler of `/kv/<path>`. */
export function kvRoute(api: KvApi, method: string, path: string): Handler {
  const { namespace, key } = targetOf(path);
  if (key === null) {
    only(method, ["GET"]);
    return ({ url, caller }) => {
      const query = queryOf(url, ["prefix", "limit", "cursor", ...parse.FRESHNESS_FIELDS]);
      const asked = parse.listQueryOf({ ...query, namespace });
      return api.fresh(caller, parse.freshnessOf(query), () => api.list(caller, asked));
    };
  }
  only(method, ["GET", "PUT", "DELETE"]);
  if (method === "GET") {
    return ({ url, caller }) => {
      const freshness = USUAL.get(url.search) ?? freshnessOf(url);
      const [space, name] = [parse.namespaceOf(namespace), parse.keyOf(key)];
      return api.fresh(caller, freshness, () => api.get(caller, space, name));
    };
  }
  return (call) => {
    mayWrite(call.caller);
    return method === "PUT" ? put(api, call, namespace, key) : remove(api, call, namespace, key);
  };
}

async function put(api: KvApi, call: Call, namespace: string, key: string): Promise<string> {
  const accepted = ["value", "actor", "cas", "expiresAt", "ttlMs"];
  const body = parse.fieldsOf(await bodyOf(call.request), accepted, "The body");
  const command = parse.setOf({ ...body, namespace, key }, Date.now());
  return api.set(authorOf(body["actor"], call), command);
}

function remove(api: KvApi, call: Call, namespace: string, key: string): Promise<string> {
  const query = queryOf(call.url, ["actor", "cas"]);
  const command = parse.deleteOf({ ...query, namespace, key });
  return api.delete(authorOf(query["actor"], call), command);
}

function authorOf(actor: unknown, { request, caller }: Call): Author {
  return { caller, actor: parse.actorOf(actor), requestId: requestIdOf(request) };
}

/** The last path segment is the key; a namespace may be one encoded segment or several plain ones. */
function targetOf(path: string): { readonly namespace: string; readonly key: string | null } {
  const last = path.lastIndexOf("/");
  if (last === -1) return { namespace: decodedOnce(path), key: null };
  const key = path.slice(last + 1);
  const namespace = decodedOnce(path.slice(0, last));
  return { namespace, key: key.includes("%") ? decoded(key) : key };
}

/** Few namespaces are asked for again and again. */
const NAMESPACES_MAX = 1_024;
const NAMESPACE_CHARS_MAX = 256;
const namespaces = new Map<string, string>();

function decodedOnce(path: string): string {
  if (!path.includes("%")) return path;
  const before = namespaces.get(path);
  if (before !== undefined) return before;
  const namespace = path.split("/").map(decoded).join("/");
  if (namespaces.size >= NAMESPACES_MAX) namespaces.clear();
  if (path.length <= NAMESPACE_CHARS_MAX) namespaces.set(path, namespace);
  return namespace;
}

function changesQueryOf(url: URL) {
  const accepted = ["since", "limit", "namespace", "waitMs", ...parse.FRESHNESS_FIELDS];
  const query = queryOf(url, accepted);
  const namespace = query["namespace"];
  const whole = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 };
  const limits = { min: 1, max: LIMITS.pageItemsMax, absent: null };
  const waits = { min: 0, max: LIMITS.waitMsMax, absent: 0 };
  const asked = {
    since: parse.integerOf(query["since"], "since", whole) ?? 0,
    limit: parse.integerOf(query["limit"], "limit", limits),
    namespace: namespace === undefined ? null : parse.namespaceOf(namespace),
    waitMs: parse.integerOf(query["waitMs"], "waitMs", waits) ?? 0,
  };
  return { query: asked, freshness: parse.freshnessOf(query) };
}
