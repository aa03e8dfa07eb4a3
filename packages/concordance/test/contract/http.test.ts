import { expect, test } from "bun:test";
import { type Answer, contract, pathOf, refusal } from "./fixture.ts";

contract("HTTP", (node) => {
  test("health and ready need no key, at both places", async () => {
    for (const path of ["/health", "/ready", "/api/v1/health", "/api/v1/ready"]) {
      expect(await node.call("GET", path, undefined, { key: null })).toMatchObject({
        status: 200,
        body: { ok: true },
      });
    }
  });

  test("an entry goes through its whole life with versions and revisions that only grow", async () => {
    const namespace = node.space();
    const path = pathOf(namespace, "theme");
    const first = await node.call("PUT", path, { value: { dark: true }, actor: "ada" });
    expect(first).toMatchObject({
      status: 200,
      body: {
        ok: true,
        namespace,
        key: "theme",
        value: { dark: true },
        version: 1,
        updatedBy: "ada",
        expiresAt: null,
      },
    });
    const { ok: _, ...entry } = first.body;
    expect(await node.call("GET", path)).toEqual({ status: 200, body: entry });
    const second = await node.call("PUT", path, { value: "light" });
    expect(second.body).toMatchObject({ version: 2, updatedBy: "api" });
    expect(Number(second.body["revision"])).toBeGreaterThan(Number(first.body["revision"]));
    expect(await node.call("DELETE", `${path}?actor=ada`)).toMatchObject({
      status: 200,
      body: { ok: true, version: 3 },
    });
    expect(await node.call("GET", path)).toMatchObject(refusal(404, "not_found"));
    expect(await node.call("DELETE", path)).toMatchObject(refusal(404, "not_found"));
    expect((await node.call("PUT", path, { value: 1 })).body).toMatchObject({ version: 4 });
  });

  test("a path with plain slashes names the same entry: its last part is the key", async () => {
    await node.call("PUT", "/api/v1/kv/tenant:raw/user:u1/preferences/theme", { value: 1 });
    const encoded = await node.call("GET", pathOf("tenant:raw/user:u1/preferences", "theme"));
    expect(encoded).toMatchObject({ status: 200, body: { value: 1 } });
  });

  test("keys may hold slashes, dots, spaces and any script when encoded", async () => {
    const namespace = node.space();
    for (const key of ["a/b", "a b", "..a", "naïve", "日本", "\u{1f600}", "%41"]) {
      await node.call("PUT", pathOf(namespace, key), { value: key });
      expect((await node.call("GET", pathOf(namespace, key))).body).toMatchObject({
        key,
        value: key,
      });
    }
  });

  test("pitfall 38: cas decides at apply: of many who expect one version, one wins", async () => {
    const path = pathOf(node.space(), "counter");
    const created = await Promise.all(
      Array.from({ length: 20 }, (_, i) => node.call("PUT", path, { value: i, cas: 0 })),
    );
    expect(created.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(created.filter(({ status }) => status === 409)).toHaveLength(19);
    const raced = await Promise.all(
      Array.from({ length: 20 }, (_, i) => node.call("PUT", path, { value: i, cas: 1 })),
    );
    expect(raced.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await node.call("PUT", path, { value: 0, cas: 7 })).toMatchObject({
      status: 409,
      body: { error: { code: "cas_conflict", details: { expected: 7, actual: 2 } } },
    });
    expect(await node.call("DELETE", `${path}?cas=1`)).toMatchObject(refusal(409, "cas_conflict"));
    expect(await node.call("DELETE", `${path}?cas=2`)).toMatchObject({ status: 200 });
  });

  test("a batch is one revision, or nothing at all", async () => {
    const namespace = node.space();
    await node.call("PUT", pathOf(namespace, "old"), { value: 1 });
    const set = (key: string, cas?: number) => ({
      op: "set",
      namespace,
      key,
      value: key,
      ...(cas === undefined ? {} : { cas }),
    });
    const failed = await node.call("POST", "/api/v1/batch", {
      operations: [set("a"), set("old", 5)],
    });
    expect(failed).toMatchObject({ status: 409, body: { error: { details: { operation: 1 } } } });
    expect(await node.call("GET", pathOf(namespace, "a"))).toMatchObject({ status: 404 });
    const operations = [
      set("a", 0),
      { op: "delete", namespace, key: "old" },
      { op: "delete", namespace, key: "none" },
    ];
    const done = await node.call("POST", "/api/v1/batch", { operations, actor: "ada" });
    expect(done).toMatchObject({
      status: 200,
      body: {
        ok: true,
        results: [
          { op: "set", key: "a", value: "a", version: 1, updatedBy: "ada" },
          { op: "delete", key: "old", deleted: true, version: 2 },
          { op: "delete", key: "none", deleted: false, version: 0 },
        ],
      },
    });
    const since = Number(done.body["revision"]) - 1;
    const { body } = await node.call("GET", `/api/v1/changes?since=${since}`);
    const items = body["items"] as { revision: number; seq: number }[];
    expect(items.map((one) => one.revision - since)).toEqual([1, 1]);
  });

  test("pitfall 37: a list tells its revision, pages in byte order, and honours the prefix", async () => {
    const namespace = node.space();
    const keys = ["a1", "a2", "a3", "b1", "é", "\u{1f600}"];
    for (const key of keys) await node.call("PUT", pathOf(namespace, key), { value: 0 });
    const base = `/api/v1/kv/${encodeURIComponent(namespace)}`;
    const keysIn = ({ body }: Answer) => (body["items"] as { key: string }[]).map((one) => one.key);
    const all = await node.call("GET", base);
    expect(keysIn(all)).toEqual(keys);
    expect(keysIn(await node.call("GET", `${base}?prefix=a`))).toEqual(["a1", "a2", "a3"]);
    const page = await node.call("GET", `${base}?prefix=a&limit=2`);
    expect(keysIn(page)).toEqual(["a1", "a2"]);
    const rest = await node.call(
      "GET",
      `${base}?prefix=a&limit=2&cursor=${page.body["nextCursor"]}`,
    );
    expect(keysIn(rest)).toEqual(["a3"]);
    expect(rest.body["nextCursor"]).toBeUndefined();
    const { body: status } = await node.call(
      "GET",
      `/api/v1/changes?since=${all.body["revision"]}`,
    );
    expect(status["items"]).toEqual([]);
  });

  test("changes page by whole revisions under one namespace, and never under a lookalike", async () => {
    await node.call("PUT", pathOf("tenant:look", "k"), { value: 1 });
    await node.call("PUT", pathOf("tenant:look/deep/er", "k"), { value: 2 });
    await node.call("PUT", pathOf("tenant:lookalike", "k"), { value: 3 });
    const { body } = await node.call("GET", "/api/v1/changes?namespace=tenant:look&limit=1");
    const more = await node.call(
      "GET",
      `/api/v1/changes?namespace=tenant:look&since=${body["nextSince"]}`,
    );
    const items = [
      ...(body["items"] as { value: number }[]),
      ...(more.body["items"] as { value: number }[]),
    ];
    expect(items.map((one) => one.value)).toEqual([1, 2]);
    expect(more.body["nextSince"]).toBe(more.body["revision"]);
  });

  test("pitfall 36: a cursor ahead of this history is told so", async () => {
    expect(await node.call("GET", "/api/v1/changes?since=999999")).toMatchObject(
      refusal(410, "compacted"),
    );
  });

  test("pitfall 32: a key with a time to live goes by itself, as a change of its own (C5)", async () => {
    const namespace = node.space();
    const path = pathOf(namespace, "brief");
    const { body } = await node.call("PUT", path, { value: 1, ttlMs: 30 });
    expect(Number(body["expiresAt"])).toBe(Number(body["updatedAt"]) + 30);
    let last: Answer = await node.call("GET", path);
    for (let turn = 0; turn < 500 && last.status === 200; turn += 1) {
      await Bun.sleep(10);
      last = await node.call("GET", path);
    }
    expect(last.status).toBe(404);
    let items: unknown[] = [];
    for (let turn = 0; turn < 500 && items.length < 2; turn += 1) {
      await Bun.sleep(10);
      const changes = await node.call("GET", `/api/v1/changes?namespace=${namespace}`);
      items = changes.body["items"] as unknown[];
    }
    expect(items).toMatchObject([
      { op: "set", version: 1 },
      { op: "delete", version: 2, actor: "system:expiry", value: null },
    ]);
    expect((await node.call("PUT", path, { value: 2, cas: 0 })).body).toMatchObject({
      version: 3,
      expiresAt: null,
    });
  });

  test("metrics speak Prometheus", async () => {
    const metrics = await fetch(`${node.url}/metrics`, {
      headers: { authorization: "Bearer dev-agent" },
    });
    expect(metrics.headers.get("content-type")).toContain("version=0.0.4");
    expect(await metrics.text()).toMatch(/^concordance_ready 1$/m);
  });
});
