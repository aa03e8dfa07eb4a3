import { expect, test } from "bun:test";
import { RpcSocket } from "../rpc.ts";
import { contract } from "./fixture.ts";

contract("WebSocket", (node) => {
  test("kv methods answer as HTTP does, in the order they were asked", async () => {
    const namespace = node.space();
    const rpc = await RpcSocket.open(node.url, "dev");
    const where = { namespace, key: "a" };
    const sets = [1, 2, 3].map((value) => rpc.call("kv/set", { ...where, value, actor: "ada" }));
    expect((await Promise.all(sets)).map(({ result }) => result)).toMatchObject([
      { value: 1, version: 1 },
      { value: 2, version: 2 },
      { value: 3, version: 3 },
    ]);
    expect((await rpc.call("kv/get", where)).result).toMatchObject({ value: 3, updatedBy: "ada" });
    expect((await rpc.call("kv/list", { namespace, prefix: "a" })).result).toMatchObject({
      items: [{ key: "a" }],
    });
    const keys = [where, { namespace, key: "none" }];
    expect((await rpc.call("kv/mget", { keys })).result).toMatchObject({
      items: [{ key: "a" }, null],
    });
    const operations = [
      { op: "set", namespace, key: "b", value: 1 },
      { op: "delete", ...where },
    ];
    expect((await rpc.call("kv/batch", { operations, actor: "ada" })).result).toMatchObject({
      ok: true,
      results: [{ op: "set" }, { op: "delete", deleted: true, version: 4 }],
    });
    expect(
      (await rpc.call("kv/delete", { namespace, key: "b", actor: "ada" })).result,
    ).toMatchObject({ version: 2 });
    rpc.close();
  });

  test("errors carry the numbers of the protocol and the code of HTTP", async () => {
    const rpc = await RpcSocket.open(node.url, "dev");
    const agent = await RpcSocket.open(node.url, "dev-agent");
    const where = { namespace: node.space(), key: "k" };
    const codes = async (socket: RpcSocket, method: string, params: unknown) =>
      (await socket.call(method, params)).error;
    expect(await codes(rpc, "kv/get", where)).toMatchObject({
      code: -32004,
      data: { code: "not_found" },
    });
    expect(await codes(rpc, "kv/set", { ...where, value: 1, cas: 4 })).toMatchObject({
      code: -32002,
      data: { code: "cas_conflict", expected: 4, actual: 0 },
    });
    expect(await codes(rpc, "kv/nothing", where)).toMatchObject({ code: -32601 });
    expect(await codes(rpc, "constructor", where)).toMatchObject({ code: -32601 });
    expect(await codes(rpc, "kv/set", { ...where, prefix: "x", value: 1 })).toMatchObject({
      code: -32602,
    });
    expect(await codes(rpc, "kv/get", [])).toMatchObject({ code: -32602 });
    expect(await codes(agent, "kv/set", { ...where, value: 1 })).toMatchObject({
      code: -32005,
      data: { code: "read_only" },
    });
    expect(await codes(agent, "kv/batch", {})).toMatchObject({ code: -32005 });
    expect(
      await codes(rpc, "kv/set", { namespace: "tenant:a/audit", key: "k", value: 1 }),
    ).toMatchObject({
      code: -32005,
      data: { code: "read_only" },
    });
    expect(
      await codes(rpc, "watch/subscribe", { namespace: "tenant:a", fromRevision: 999_999 }),
    ).toMatchObject({
      code: -32007,
      data: { code: "compacted" },
    });
    rpc.close();
    agent.close();
  });

  test("malformed frames are answered and the socket lives on; binary ones end it", async () => {
    const rpc = await RpcSocket.open(node.url, "dev");
    const frames = [
      "{",
      "[]",
      "null",
      '"x"',
      '{"jsonrpc":"1.0","id":1,"method":"kv/get"}',
      '{"jsonrpc":"2.0","method":"kv/get"}',
    ];
    for (const frame of frames) rpc.send(frame);
    const { error } = await rpc.call("kv/get", { namespace: "a", key: "none" });
    expect(error).toMatchObject({ code: -32004 });
    const refused = rpc.frames
      .filter((frame) => frame.id === null)
      .map((frame) => frame.error?.code);
    expect(refused).toEqual([-32700, -32600, -32600, -32600, -32600, -32600]);
    rpc.send(new Uint8Array([1, 2, 3]));
    for (let turn = 0; turn < 500 && rpc.closed === null; turn += 1) await Bun.sleep(10);
    expect(rpc.closed).toMatchObject({ code: 4500 });
  });

  test("an upgrade without a valid key is refused", async () => {
    await expect(RpcSocket.open(node.url, "wrong")).rejects.toThrow("refused");
  });
});
