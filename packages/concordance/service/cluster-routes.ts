/** Owns the routes below `/api/v1/cluster/`: who may ask, and what the bodies look like. */
import type { ClusterApi } from "./cluster-api.ts";
import { bodyOf, type Handler, only } from "./http.ts";
import { mayAdminister, mayReachAll } from "./keys.ts";
import * as parse from "./parse.ts";
import { Refusal } from "./refusal.ts";

/** The handler of `cluster/<name>`. Throws `route_not_found` when there is none. */
export function clusterRoute(cluster: ClusterApi, method: string, name: string): Handler {
  if (name === "status") {
    only(method, ["GET"]);
    return ({ caller }) => {
      mayReachAll(caller);
      return JSON.stringify(cluster.status());
    };
  }
  const order = ORDERS[name];
  if (order === undefined) {
    const names = ["status", ...Object.keys(ORDERS)].join(", ");
    throw new Refusal("route_not_found", `There is no such route; cluster has ${names}.`);
  }
  only(method, ["POST"]);
  return async ({ request, caller }) => {
    mayAdminister(caller);
    return order.run(cluster, parse.fieldsOf(await bodyOf(request), order.fields, "The body"));
  };
}

interface Order {
  readonly fields: readonly string[];
  readonly run: (cluster: ClusterApi, body: parse.Fields) => string | Promise<string>;
}
const ORDERS: Readonly<Record<string, Order>> = {
  join: {
    fields: ["nodeId", "address", "incarnation"],
    run: (cluster, body) =>
      cluster.join({
        nodeId: parse.nodeIdOf(body["nodeId"]),
        address: parse.addressOf(body["address"]),
        incarnation: parse.incarnationOf(body["incarnation"]),
      }),
  },
  remove: {
    fields: ["nodeId"],
    run: (cluster, body) => cluster.remove(parse.nodeIdOf(body["nodeId"])),
  },
  promote: {
    fields: ["nodeId"],
    run: (cluster, body) => cluster.promote(parse.nodeIdOf(body["nodeId"])),
  },
  transfer: {
    fields: ["nodeId"],
    run: (cluster, body) => {
      const id = body["nodeId"];
      return cluster.transfer(id === undefined ? null : parse.nodeIdOf(id));
    },
  },
};
