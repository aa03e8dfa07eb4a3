import { describe, expect, test } from "bun:test";
import { single } from "./engines.ts";
import { contract, Fixture, pathOf, refusal } from "./fixture.ts";

contract("the audit history of a tenant", (node) => {
  const audit = "/api/v1/kv/tenant%3Aacme%2Faudit";
  const itemsOf = ({ body }: { body: Record<string, unknown> }) =>
    body["items"] as { key: string; value: Record<string, unknown> }[];

  test("says who changed what and when, without values, in pages", async () => {
    const path = pathOf("tenant:acme/credentials", "github");
    await node.call("PUT", path, { value: "s3cret", actor: "ada" });
    await node.call("PUT", path, { value: "n3w", actor: "bob", cas: 1 });
    await node.call("PUT", path, { value: "lost", cas: 1 });
    await node.call("DELETE", `${path}?actor=cyd`);
    await node.call("PUT", pathOf("tenant:acmes/settings", "k"), { value: 1 });
    const what = { namespace: "tenant:acme/credentials", key: "github", credential: "api" };
    const all = itemsOf(await node.call("GET", audit));
    expect(all.map(({ value }) => value)).toMatchObject([
      { ...what, op: "set", actor: "ada", version: 1 },
      { ...what, op: "set", actor: "bob", version: 2 },
      { ...what, op: "delete", actor: "cyd", version: 3 },
    ]);
    expect(JSON.stringify(all)).not.toContain("s3cret");
    const first = await node.call("GET", `${audit}?limit=2`);
    const cursor = first.body["nextCursor"];
    const rest = await node.call("GET", `${audit}?limit=2&cursor=${cursor}`);
    expect([...itemsOf(first), ...itemsOf(rest)]).toEqual(all);
    expect(rest.body["nextCursor"]).toBeUndefined();
    const one = await node.call("GET", pathOf("tenant:acme/audit", all[1]?.key ?? ""));
    expect(one.body).toEqual(all[1] as never);
  });

  test("names the tenant key that was used, and is kept by nobody else", async () => {
    const wish = { namespace: "tenant:keyed", access: "read_write" };
    const { body } = await node.call("POST", "/api/v1/keys", wish);
    const as = { key: String(body["key"]) };
    await node.call("PUT", pathOf("tenant:keyed/s", "k"), { value: 1, actor: "eve" }, as);
    const history = await node.call("GET", "/api/v1/kv/tenant%3Akeyed%2Faudit", undefined, as);
    expect(itemsOf(history).map(({ value }) => value)).toMatchObject([
      { actor: "eve", credential: body["id"] },
    ]);
    for (const namespace of ["tenant:keyed/audit", "tenant:keyed/audit/deep", "system/x"]) {
      const put = await node.call("PUT", pathOf(namespace, "k"), { value: 1 });
      expect(put).toMatchObject(refusal(403, "read_only"));
      expect(await node.call("DELETE", pathOf(namespace, "k"))).toMatchObject(
        refusal(403, "read_only"),
      );
    }
    expect((await node.call("GET", pathOf("tenant:keyed/audit", "none"))).status).toBe(404);
  });
});

describe("quotas", () => {
  const node = new Fixture(
    single("--tenant-keys-max=3", "--tenant-bytes-max=1024", "--value-bytes-max=800"),
  );

  test("refuse what adds, tell what is used, and always take what deletes", async () => {
    const path = (key: string) => pathOf("tenant:q/s", key);
    for (const key of ["a", "b", "c"]) await node.call("PUT", path(key), { value: 1 });
    expect(await node.call("PUT", path("d"), { value: 1 })).toMatchObject({
      status: 507,
      body: {
        error: { code: "quota_exceeded", details: { tenant: "tenant:q", what: "keys", max: 3 } },
      },
    });
    expect((await node.call("PUT", path("a"), { value: "x".repeat(700) })).status).toBe(200);
    expect(await node.call("PUT", path("b"), { value: "x".repeat(700) })).toMatchObject(
      refusal(507, "quota_exceeded"),
    );
    expect(await node.call("PUT", path("b"), { value: "x".repeat(800) })).toMatchObject(
      refusal(413, "value_too_large"),
    );
    expect((await node.call("DELETE", path("a"))).status).toBe(200);
    expect((await node.call("PUT", path("b"), { value: "x".repeat(700) })).status).toBe(200);
    expect((await node.call("PUT", pathOf("tenant:r/s", "a"), { value: 1 })).status).toBe(200);
  });
});
