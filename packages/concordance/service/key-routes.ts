/** Owns the routes for operators beside the cluster's: `keys` (of tenants) and `encryption`. The API key alone. */
import type { EncryptionApi } from "./encryption-api.ts";
import { bodyOf, decoded, type Handler, only, queryOf } from "./http.ts";
import type { KeyApi } from "./key-api.ts";
import { mayAdminister } from "./keys.ts";
import * as parse from "./parse.ts";
import { Refusal } from "./refusal.ts";

const WISH_FIELDS = ["namespace", "access", "label", "expiresAt", "ttlMs", "actor"];

/** The handler of `/keys`. */
export function keysRoute(keys: KeyApi, method: string): Handler {
  only(method, ["GET", "POST"]);
  return async ({ caller, request, url }) => {
    mayAdminister(caller);
    if (method === "GET") {
      const { cursor } = queryOf(url, ["cursor"]);
      return keys.list(cursor === undefined ? null : parse.keyOf(cursor));
    }
    const body = parse.fieldsOf(await bodyOf(request), WISH_FIELDS, "The body");
    return keys.make(parse.actorOf(body["actor"]), parse.keyWishOf(body, Date.now()));
  };
}

/** The handler of `/keys/<id>`. */
export function keyRoute(keys: KeyApi, method: string, segment: string): Handler {
  only(method, ["DELETE"]);
  return ({ caller, url }) => {
    mayAdminister(caller);
    const { actor } = queryOf(url, ["actor"]);
    return keys.revoke(parse.actorOf(actor), parse.keyOf(decoded(segment)));
  };
}

/** The handler of `/encryption` and `/encryption/rotate`. */
export function encryptionRoute(encryption: EncryptionApi, method: string, rest: string): Handler {
  if (rest !== "" && rest !== "/rotate") {
    throw new Refusal("route_not_found", "There is no such route; encryption has rotate.");
  }
  only(method, rest === "" ? ["GET"] : ["POST"]);
  return async ({ caller, request }) => {
    mayAdminister(caller);
    if (rest === "") return encryption.status();
    const body = parse.fieldsOf(await bodyOf(request), ["actor"], "The body");
    return encryption.rotate(parse.actorOf(body["actor"]));
  };
}
