import { describe, expect, test } from "bun:test";
import { eventually } from "../process.ts";
import { RpcSocket } from "../rpc.ts";
import { single } from "./engines.ts";
import { contract, Fixture, pathOf, refusal } from "./fixture.ts";

const revisionOf = (body: Record<string, unknown>) => Number(body["revision"]);

/** Reads are local: waits until the member behind the socket has what was acknowledged elsewhere. */
async function caughtUp(rpc: RpcSocket, minRevision: number): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const { error } = await rpc.call("kv/list", { namespace: "tenant:none/s", minRevision });
    if (error === undefined) return;
  }
  throw new Error(`revision ${minRevision} never came`);
}

contract("waiting for changes", (node) => {
  const changes = (query: string) => node.call("GET", `/api/v1/changes?${query}`);

  test("a reader waits for the next change beneath its namespace, and is told of it alone", async () => {
    const namespace = node.space();
    const { body } = await node.call("PUT", pathOf(namespace, "first"), { value: 1 });
    const since = revisionOf(body);
    const waiting = changes(`since=${since}&namespace=${namespace}&waitMs=30000`);
    await node.call("PUT", pathOf(`${namespace}-other`, "k"), { value: 1 });
    await node.call("PUT", pathOf(`${namespace}/deep`, "mine"), { value: 2 });
    const told = await waiting;
    expect(told.body["items"]).toMatchObject([{ key: "mine", value: 2 }]);
    expect(Number(told.body["nextSince"])).toBeGreaterThan(since);
    const more = await changes(`since=${told.body["nextSince"]}&namespace=${namespace}`);
    expect(more.body["items"]).toEqual([]);
  });

  test("one that waits in vain is answered with where to go on", async () => {
    const namespace = node.space();
    const { body } = await node.call("PUT", pathOf(`${namespace}x`, "k"), { value: 1 });
    const { status, body: told } = await changes(`since=0&namespace=${namespace}&waitMs=50`);
    expect(status).toBe(200);
    expect(told["items"]).toEqual([]);
    expect(Number(told["nextSince"])).toBeGreaterThanOrEqual(revisionOf(body));
  });

  test("what is there already is told at once", async () => {
    const namespace = node.space();
    await node.call("PUT", pathOf(namespace, "k"), { value: 1 });
    const { body } = await changes(`since=0&namespace=${namespace}&waitMs=30000`);
    expect(body["items"]).toMatchObject([{ key: "k" }]);
  });

  test("a wait has its bounds", async () => {
    for (const query of ["waitMs=-1", "waitMs=30001", "waitMs=x"]) {
      expect(await changes(query)).toMatchObject(refusal(400, "invalid_request"));
    }
  });
});

contract("watching by prefix, from what is there", (node) => {
  test("pitfall 37: an initial list and the changes after it leave nothing out", async () => {
    const namespace = node.space();
    for (const key of ["a1", "b1"]) await node.call("PUT", pathOf(namespace, key), { value: 1 });
    await node.call("PUT", pathOf(`${namespace}/deep`, "a2"), { value: 2 });
    const last = await node.call("PUT", pathOf(`${namespace}-not`, "a3"), { value: 3 });
    const rpc = await RpcSocket.open(node.url, "dev-agent");
    await caughtUp(rpc, revisionOf(last.body));
    const watch = { namespace, prefix: "a", initial: true };
    const { result } = await rpc.call("watch/subscribe", watch);
    const { items, fromRevision } = result as {
      items: { key: string; revision: number }[];
      fromRevision: number;
    };
    expect(items.map(({ key }) => key)).toEqual(["a1", "a2"]);
    for (const { revision } of items) expect(revision).toBeLessThanOrEqual(fromRevision);
    for (const key of ["b1", "a1", "b2", "a9"]) {
      await node.call("PUT", pathOf(namespace, key), { value: 9 });
    }
    await eventually("two changes", () => rpc.changes.length === 2);
    expect(rpc.changes.map(({ key }) => key)).toEqual(["a1", "a9"]);
    for (const { revision } of rpc.changes) expect(revision).toBeGreaterThan(fromRevision);
    await rpc.call("watch/unsubscribe", { namespace });
    const again = await rpc.call("watch/subscribe", { namespace, initial: true });
    expect((again.result as { items: unknown[] }).items).toHaveLength(5);
    rpc.close();
  });

  test("initial and fromRevision exclude each other; what is too much is to be listed", async () => {
    const namespace = node.space();
    const rpc = await RpcSocket.open(node.url, "dev");
    for (const params of [
      { namespace, initial: true, fromRevision: 0 },
      { namespace, initial: "yes" },
      { namespace, prefix: 7 },
    ]) {
      expect((await rpc.call("watch/subscribe", params)).error?.code).toBe(-32602);
    }
    const value = "x".repeat(1_000_000);
    for (let n = 0; n < 5; n += 1) {
      const { body } = await node.call("PUT", pathOf(namespace, `k${n}`), { value });
      await caughtUp(rpc, revisionOf(body));
    }
    const refused = await rpc.call("watch/subscribe", { namespace, initial: true });
    expect(refused.error).toMatchObject({ data: { code: "request_too_large" } });
    const small = { namespace, initial: true, prefix: "k1" };
    expect((await rpc.call("watch/subscribe", small)).error).toBeUndefined();
    rpc.close();
  });
});

describe("requests that wait", () => {
  const node = new Fixture(single());

  test("are answered when the node stops, which they do not hold up", async () => {
    const since = revisionOf((await node.call("PUT", pathOf("a", "k"), { value: 1 })).body);
    const query = `since=${since}&waitMs=30000`;
    const waiting = [1, 2, 3].map(() => node.call("GET", `/api/v1/changes?${query}`));
    const metrics = async () =>
      (await fetch(`${node.url}/metrics`, { headers: { authorization: "Bearer dev" } })).text();
    while (!(await metrics()).includes("concordance_changes_waiting 3")) await Bun.sleep(10);
    await node.end();
    for (const { status, body } of await Promise.all(waiting)) {
      expect([status, body["items"]]).toEqual([200, []]);
    }
  });
});
