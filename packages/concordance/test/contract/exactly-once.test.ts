import { expect, test } from "bun:test";
import { RpcSocket } from "../rpc.ts";
import { contract, pathOf, refusal } from "./fixture.ts";

contract("exactly once, pitfall 34", (node) => {
  const named = (requestId: string) => ({ headers: { "idempotency-key": requestId } });

  test("a write repeated under its id is answered with the first outcome, whatever happened since", async () => {
    const path = pathOf(node.space(), "k");
    const id = crypto.randomUUID();
    const first = await node.call("PUT", path, { value: { a: 1 } }, named(id));
    await node.call("PUT", path, { value: 2 });
    await node.call("DELETE", path);
    expect(await node.call("PUT", path, { value: { a: 1 } }, named(id))).toEqual(first);
    expect(await node.call("GET", path)).toMatchObject(refusal(404, "not_found"));
  });

  test("deletes and batches are remembered too, and so is a lost race", async () => {
    const namespace = node.space();
    const path = pathOf(namespace, "k");
    await node.call("PUT", path, { value: 1 });
    const [deletion, batch, race] = [1, 2, 3].map(() => crypto.randomUUID());
    const gone = await node.call("DELETE", path, undefined, named(deletion ?? ""));
    expect(gone).toMatchObject({ status: 200, body: { version: 2 } });
    const operations = [
      { op: "set", namespace, key: "k", value: { b: [1] }, cas: 0 },
      { op: "delete", namespace, key: "none" },
    ];
    const done = await node.call("POST", "/api/v1/batch", { operations }, named(batch ?? ""));
    const lost = await node.call("PUT", path, { value: 9, cas: 7 }, named(race ?? ""));
    expect(lost).toMatchObject(refusal(409, "cas_conflict"));
    for (let value = 0; value < 4; value += 1) await node.call("PUT", path, { value });
    expect(await node.call("DELETE", path, undefined, named(deletion ?? ""))).toEqual(gone);
    expect(await node.call("POST", "/api/v1/batch", { operations }, named(batch ?? ""))).toEqual(
      done,
    );
    // By now the condition would hold; the write was judged when it came first.
    expect(await node.call("PUT", path, { value: 9, cas: 7 }, named(race ?? ""))).toMatchObject({
      status: 409,
      body: { error: { details: { expected: 7, actual: 3 } } },
    });
  });

  test("of many at once under one id, one happens and all are told the same", async () => {
    const path = pathOf(node.space(), "k");
    const id = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => node.call("PUT", path, { value: 1 }, named(id))),
    );
    expect(answers[0]).toMatchObject({ status: 200, body: { version: 1 } });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await node.call("PUT", path, { value: 2 })).toMatchObject({ body: { version: 2 } });
  });

  test("an id that stands for another write is refused, on either interface", async () => {
    const namespace = node.space();
    const id = crypto.randomUUID();
    await node.call("PUT", pathOf(namespace, "k"), { value: 1 }, named(id));
    for (const body of [{ value: 2 }, { value: 1, actor: "ada" }, { value: 1, cas: 0 }]) {
      expect(await node.call("PUT", pathOf(namespace, "k"), body, named(id))).toMatchObject(
        refusal(409, "request_reused"),
      );
    }
    const rpc = await RpcSocket.open(node.url, "dev");
    const params = { namespace, key: "k", value: 1 };
    const same = await rpc.call("kv/set", { ...params, requestId: id });
    expect(same.result).toMatchObject({ version: 1 });
    const other = await rpc.call("kv/set", { ...params, key: "other", requestId: id });
    expect(other.error).toMatchObject({ code: -32010, data: { code: "request_reused" } });
    rpc.close();
    expect(
      await node.call("PUT", pathOf(namespace, "k"), { value: 1 }, named("x".repeat(129))),
    ).toMatchObject(refusal(400, "invalid_request"));
  });
});

contract("freshness, pitfall 30", (node) => {
  test("a linearizable read sees what was acknowledged, wherever it is asked", async () => {
    const path = pathOf(node.space(), "k");
    for (let value = 0; value < 20; value += 1) {
      const { body } = await node.call("PUT", path, { value });
      const fresh = await node.call("GET", `${path}?consistency=linearizable`);
      expect(fresh.body).toMatchObject({ value, version: value + 1 });
      const seen = await node.call("GET", `${path}?minRevision=${body["revision"]}`);
      expect(seen.body).toMatchObject({ value });
    }
  });

  test("a revision that is not there yet is waited for in vain, and said to be", async () => {
    const path = pathOf(node.space(), "k");
    await node.call("PUT", path, { value: 1 });
    expect(await node.call("GET", `${path}?minRevision=999999999`)).toMatchObject(
      refusal(503, "behind"),
    );
    for (const query of ["consistency=eventual", "minRevision=-1", "minRevision=x"]) {
      expect(await node.call("GET", `${path}?${query}`)).toMatchObject(
        refusal(400, "invalid_request"),
      );
    }
  });
});
