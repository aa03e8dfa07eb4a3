import { expect, test } from "bun:test";
import { connect } from "node:net";
import { contract, pathOf, refusal } from "./fixture.ts";

/** The whole answer to a request written by hand, as a client without a `Host` header writes it. */
function raw(port: number, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(`${head}\r\n\r\n`));
    let text = "";
    socket.on("data", (data) => {
      text += data;
      if (/\r\n\r\n[\s\S]/.test(text)) socket.end();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

contract("HTTP refusals", (node) => {
  test("HTTP/1.0 without a Host is answered; an address that is none is the client's fault", async () => {
    const port = Number(new URL(node.url).port);
    expect(await raw(port, "GET /health HTTP/1.0")).toStartWith("HTTP/1.1 200 ");
    expect(await raw(port, "GET /nowhere HTTP/1.0")).toContain('"code":"unauthorized"');
    for (const head of ["GET / HTTP/1.1\r\nHost: [", "GET // HTTP/1.0"]) {
      expect(await raw(port, head)).toContain('"code":"invalid_request"');
    }
  });

  test("without a key, or with a wrong one, nothing is served", async () => {
    for (const key of [null, "wrong", "devx", "de"]) {
      for (const path of ["/api/v1/kv/a", "/api/v1/changes", "/metrics", "/nowhere", "/stream"]) {
        expect(await node.call("GET", path, undefined, { key })).toMatchObject(
          refusal(401, "unauthorized"),
        );
      }
    }
  });

  test("the agent key reads and never writes", async () => {
    const path = pathOf(node.space(), "k");
    await node.call("PUT", path, { value: 1 });
    const agent = { key: "dev-agent" };
    expect((await node.call("GET", path, undefined, agent)).status).toBe(200);
    expect(await node.call("PUT", path, { value: 2 }, agent)).toMatchObject(
      refusal(403, "read_only"),
    );
    expect(await node.call("DELETE", path, undefined, agent)).toMatchObject(
      refusal(403, "read_only"),
    );
    expect(await node.call("POST", "/api/v1/batch", { operations: [] }, agent)).toMatchObject(
      refusal(403, "read_only"),
    );
    expect((await node.call("GET", path)).body).toMatchObject({ value: 1 });
  });

  const bodies: readonly (readonly [string, string])[] = [
    ["no JSON", "{"],
    ["an empty body", ""],
    ["a number beyond all doubles", '{"value":[1e999]}'],
    ["a number of too many digits", `{"value":${"9".repeat(400)}}`],
    ["endless nesting", "[".repeat(200_000)],
  ];
  for (const [what, body] of bodies) {
    test(`a body of ${what} is invalid_json`, async () => {
      expect(await node.call("PUT", pathOf(node.space(), "k"), body, { raw: true })).toMatchObject(
        refusal(400, "invalid_json"),
      );
    });
  }

  test("deep but closed nesting is answered, whichever way", async () => {
    const depth = 5_000;
    const body = `{"value":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    const { status } = await node.call("PUT", pathOf(node.space(), "k"), body, { raw: true });
    expect([200, 400]).toContain(status);
    expect((await node.call("GET", "/health")).status).toBe(200);
  });

  test("invalid UTF-8 is refused, in the body and in the path", async () => {
    const path = pathOf(node.space(), "k");
    const bytes = new Uint8Array([...Buffer.from('{"value":"'), 0xff, 0xfe, ...Buffer.from('"}')]);
    const headers = { authorization: "Bearer dev" };
    const response = await fetch(node.url + path, { method: "PUT", headers, body: bytes });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "invalid_json" } });
    expect(await node.call("PUT", "/api/v1/kv/a/%ff", { value: 1 })).toMatchObject(
      refusal(400, "invalid_request"),
    );
  });

  const badPuts: readonly (readonly [string, unknown])[] = [
    ["a list instead of an object", []],
    ["no value", {}],
    ["a misspelt field", { value: 1, cass: 3 }],
    ["a negative cas", { value: 1, cas: -1 }],
    ["a fractional cas", { value: 1, cas: 1.5 }],
    ["a cas in quotes", { value: 1, cas: "1" }],
    ["two expiries", { value: 1, ttlMs: 5, expiresAt: 9_999_999_999_999 }],
    ["an expiry in the past", { value: 1, expiresAt: 1 }],
    ["a time to live of nothing", { value: 1, ttlMs: 0 }],
    ["an empty actor", { value: 1, actor: "" }],
    ["an actor with a line break", { value: 1, actor: "a\nb" }],
  ];
  for (const [what, body] of badPuts) {
    test(`PUT with ${what} is invalid_request and writes nothing`, async () => {
      const path = pathOf(node.space(), "k");
      expect(await node.call("PUT", path, body)).toMatchObject(refusal(400, "invalid_request"));
      expect((await node.call("GET", path)).status).toBe(404);
    });
  }

  const badPaths = [
    "/a%00b",
    "/%2e%2e%2fx",
    "/a%2F%2Fb/k",
    "/%2Fa/k",
    `/${"n".repeat(513)}/k`,
    `/a/${"k".repeat(513)}`,
    "/a/\u007f",
  ];
  for (const path of badPaths) {
    test(`the path ${path.slice(0, 20)} names nothing`, async () => {
      const answer = await node.call("GET", `/api/v1/kv${path}`);
      expect(answer).toMatchObject(refusal(400, "invalid_request"));
    });
  }

  test("values over 1 MiB and bodies over 2 MiB are refused by size; 1 MiB itself is kept", async () => {
    const path = pathOf(node.space(), "big");
    const exactly = "x".repeat(1_048_576 - 2);
    expect((await node.call("PUT", path, { value: exactly })).status).toBe(200);
    expect((await node.call("GET", path)).body["value"]).toBe(exactly);
    expect(await node.call("PUT", path, { value: `${exactly}y` })).toMatchObject(
      refusal(413, "value_too_large"),
    );
    expect(await node.call("PUT", path, { value: "x".repeat(3 << 20) })).toMatchObject(
      refusal(413, "request_too_large"),
    );
    const stream = new ReadableStream({
      start(controller) {
        for (let chunk = 0; chunk < 3; chunk += 1)
          controller.enqueue(new Uint8Array(1 << 20).fill(32));
        controller.close();
      },
    });
    const headers = { authorization: "Bearer dev" };
    const chunked = await fetch(node.url + path, { method: "PUT", headers, body: stream });
    expect(chunked.status).toBe(413);
    expect((await node.call("GET", path)).body["version"]).toBe(1);
  });

  test("batches are bounded and name each key once", async () => {
    const namespace = node.space();
    const set = (key: string) => ({ op: "set", namespace, key, value: 1 });
    const many = Array.from({ length: 129 }, (_, i) => set(`k${i}`));
    for (const operations of [
      [],
      many,
      [set("a"), set("a")],
      [{ op: "touch", namespace, key: "a" }],
      ["set"],
      null,
    ]) {
      expect(await node.call("POST", "/api/v1/batch", { operations })).toMatchObject(
        refusal(400, "invalid_request"),
      );
    }
  });

  test("routes and methods that do not exist say so", async () => {
    expect(await node.call("GET", "/api/v1/nothing")).toMatchObject(
      refusal(404, "route_not_found"),
    );
    expect(await node.call("POST", pathOf("a", "k"), {})).toMatchObject(
      refusal(405, "method_not_allowed"),
    );
    expect(await node.call("GET", "/api/v1/batch")).toMatchObject(
      refusal(405, "method_not_allowed"),
    );
    expect(await node.call("GET", "/stream")).toMatchObject(refusal(400, "invalid_request"));
    for (const query of [
      "since=-1",
      "limit=0",
      "limit=x",
      "limit=5000",
      "sinse=1",
      "since=1&since=x",
    ]) {
      expect(await node.call("GET", `/api/v1/changes?${query}`)).toMatchObject(
        refusal(400, "invalid_request"),
      );
    }
  });

  test("a refusal carries the caller's trace id", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const response = await fetch(`${node.url}/api/v1/changes`, { headers });
    expect(await response.json()).toMatchObject({ error: { trace_id: traceId } });
  });
});
