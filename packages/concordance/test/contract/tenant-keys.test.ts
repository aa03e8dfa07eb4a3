import { expect, test } from "bun:test";
import { CLOSE } from "../../shared/protocol.ts";
import { eventually } from "../process.ts";
import { RpcSocket } from "../rpc.ts";
import { type Answer, contract, type Fixture, pathOf, refusal } from "./fixture.ts";

const outOfScope = refusal(403, "out_of_scope");

async function makeKey(node: Fixture, namespace: string, access = "read_write", more = {}) {
  const { status, body } = await node.call("POST", "/api/v1/keys", { namespace, access, ...more });
  expect(status).toBe(200);
  return { id: String(body["id"]), key: String(body["key"]) };
}

contract("keys of tenants", (node) => {
  test("reach their namespace over HTTP, and nothing else: no other tenant, no cluster", async () => {
    const { key } = await makeKey(node, "tenant:acme", "read_write", { label: "ci", actor: "ada" });
    const as = { key };
    const inside = pathOf("tenant:acme/settings", "k");
    expect((await node.call("PUT", inside, { value: 1 }, as)).status).toBe(200);
    expect((await node.call("GET", inside, undefined, as)).body).toMatchObject({ value: 1 });
    const set = (namespace: string) => ({ op: "set", namespace, key: "x", value: 1 });
    const crossing = { operations: [set("tenant:acme/a"), set("tenant:acmes/a")] };
    const refused: readonly Promise<Answer>[] = [
      node.call("GET", pathOf("tenant:acmes/settings", "k"), undefined, as),
      node.call("PUT", pathOf("tenant:other/settings", "k"), { value: 1 }, as),
      node.call("DELETE", pathOf("plain", "k"), undefined, as),
      node.call("GET", "/api/v1/kv/tenant%3Aother%2Fsettings", undefined, as),
      node.call("GET", "/api/v1/changes?namespace=tenant:other", undefined, as),
      node.call("POST", "/api/v1/batch", crossing, as),
      node.call("GET", "/metrics", undefined, as),
      node.call("GET", "/api/v1/keys", undefined, as),
      node.call("POST", "/api/v1/keys", { namespace: "tenant:acme", access: "read_only" }, as),
      node.call("POST", "/api/v1/encryption/rotate", {}, as),
    ];
    for (const answer of await Promise.all(refused)) expect(answer).toMatchObject(outOfScope);
    for (const [method, path] of [
      ["GET", "/api/v1/cluster/status"],
      ["POST", "/api/v1/cluster/transfer"],
      ["GET", "/raft/snapshot/x"],
    ] as const) {
      const { status, body } = await node.call(method, path, undefined, as);
      // An engine without members says so first.
      expect([403, 501]).toContain(status);
      expect(["out_of_scope", "no_cluster"]).toContain((body["error"] as { code: string }).code);
    }
    await node.call("PUT", pathOf("tenant:other/settings", "k"), { value: "hidden" });
    const mine = await node.call("GET", "/api/v1/changes", undefined, as);
    expect(JSON.stringify(mine.body)).not.toContain("hidden");
    expect(mine.body["items"]).toMatchObject([{ namespace: "tenant:acme/settings" }]);
  });

  test("a reading key reads", async () => {
    const { key } = await makeKey(node, "tenant:acme", "read_only");
    const put = await node.call("PUT", pathOf("tenant:acme/s", "k"), { value: 1 }, { key });
    expect(put).toMatchObject(refusal(403, "read_only"));
    const got = await node.call("GET", "/api/v1/kv/tenant%3Aacme%2Fs", undefined, { key });
    expect(got.status).toBe(200);
  });

  test("the stream keeps to the same walls, and watches tell of one tenant only (D3)", async () => {
    const { key } = await makeKey(node, "tenant:walls");
    const rpc = await RpcSocket.open(node.url, key);
    for (const [method, params] of [
      ["kv/get", { namespace: "tenant:other/s", key: "k" }],
      ["kv/list", { namespace: "tenant:other/s" }],
      ["kv/mget", { keys: [{ namespace: "tenant:other/s", key: "k" }] }],
      ["kv/set", { namespace: "tenant:other/s", key: "k", value: 1 }],
      ["watch/subscribe", { namespace: "tenant:other" }],
      ["watch/subscribe", { namespace: "tenant:wall" }],
    ] as const) {
      expect((await rpc.call(method, params)).error).toMatchObject({
        code: -32005,
        data: { code: "out_of_scope" },
      });
    }
    await rpc.call("watch/subscribe", { namespace: "tenant:walls" });
    await node.call("PUT", pathOf("tenant:wallsy/s", "k"), { value: 1 });
    await rpc.call("kv/set", { namespace: "tenant:walls/s", key: "mine", value: 1 });
    await eventually("the change", () => rpc.changes.length > 0);
    expect(rpc.changes.map((change) => change.key)).toEqual(["mine"]);
    rpc.close();
  });

  test("pitfall 39: a revoked key is refused at once, and its sockets are closed", async () => {
    const { id, key } = await makeKey(node, "tenant:gone");
    const rpc = await RpcSocket.open(node.url, key);
    await rpc.call("watch/subscribe", { namespace: "tenant:gone" });
    expect((await node.call("DELETE", `/api/v1/keys/${id}?actor=ada`)).status).toBe(200);
    const put = await node.call("PUT", pathOf("tenant:gone/s", "k"), { value: 1 }, { key });
    expect(put).toMatchObject(refusal(401, "unauthorized"));
    await eventually("the socket is closed", () => rpc.closed !== null);
    expect(rpc.closed?.code).toBe(CLOSE.keyRevoked);
    expect(rpc.changes).toEqual([]);
    expect(await node.call("DELETE", `/api/v1/keys/${id}`)).toMatchObject(
      refusal(404, "not_found"),
    );
  });

  test("pitfall 39: a request that waits is not told what came after its key was revoked", async () => {
    const { id, key } = await makeKey(node, "tenant:waits");
    const path = pathOf("tenant:waits/s", "k");
    const { body } = await node.call("PUT", path, { value: 1 }, { key });
    const query = `since=${body["revision"]}&waitMs=20000`;
    const waiting = node.call("GET", `/api/v1/changes?${query}`, undefined, { key });
    await node.call("DELETE", `/api/v1/keys/${id}`);
    await node.call("PUT", path, { value: "later" });
    const answer = await waiting;
    expect(answer).toMatchObject(refusal(401, "unauthorized"));
  });

  test("a key with a time to live ends by itself", async () => {
    const { key } = await makeKey(node, "tenant:brief", "read_write", { ttlMs: 300 });
    const rpc = await RpcSocket.open(node.url, key);
    await eventually("the socket is closed", () => rpc.closed !== null);
    expect(rpc.closed?.code).toBe(CLOSE.keyRevoked);
    const got = await node.call("GET", "/api/v1/kv/tenant%3Abrief", undefined, { key });
    expect(got).toMatchObject(refusal(401, "unauthorized"));
  });

  test("tokens and digests are told nowhere: not listed, not watched, not readable as entries", async () => {
    const { id, key } = await makeKey(node, "tenant:quiet");
    const watcher = await RpcSocket.open(node.url, "dev");
    const { items } = (await node.call("GET", "/api/v1/keys")).body as { items: { id: string }[] };
    expect(items.find((one) => one.id === id)).toMatchObject({
      namespace: "tenant:quiet",
      access: "read_write",
      createdBy: "api",
      expiresAt: null,
    });
    const changes = await node.call("GET", "/api/v1/changes?namespace=system");
    for (const text of [JSON.stringify(items), JSON.stringify(changes.body)]) {
      expect(text).toContain(id);
      expect(text).not.toContain(key);
      expect(text).not.toContain("digest");
    }
    for (const path of ["/api/v1/kv/system%2Fkeys", pathOf("system/keys", id)]) {
      expect(await node.call("GET", path)).toMatchObject(refusal(400, "invalid_request"));
    }
    expect(await node.call("PUT", pathOf("system/keys", id), { value: 1 })).toMatchObject(
      refusal(403, "read_only"),
    );
    const started = await watcher.call("watch/subscribe", { namespace: "system", initial: true });
    expect(JSON.stringify(started.result)).not.toContain("digest");
    watcher.close();
  });

  test("a wrong token of a known id opens nothing", async () => {
    const { key } = await makeKey(node, "tenant:acme");
    const wrong = key.slice(0, -4) + (key.endsWith("AAAA") ? "BBBB" : "AAAA");
    for (const token of [wrong, key.slice(0, -1), `${key}A`, key.toUpperCase()]) {
      const got = await node.call("GET", "/api/v1/kv/tenant%3Aacme", undefined, { key: token });
      expect(got).toMatchObject(refusal(401, "unauthorized"));
    }
  });

  test("what a key may be is judged", async () => {
    for (const wish of [
      { namespace: "tenant:acme" },
      { namespace: "tenant:acme", access: "admin" },
      { namespace: "system", access: "read_only" },
      { namespace: "plain", access: "read_only" },
      { namespace: "tenant:acme", access: "read_only", scope: "all" },
    ]) {
      expect(await node.call("POST", "/api/v1/keys", wish)).toMatchObject(
        refusal(400, "invalid_request"),
      );
    }
  });
});
