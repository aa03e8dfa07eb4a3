import { expect, test } from "bun:test";
import type { ChangeEvent } from "../../shared/types.ts";
import { eventually } from "../process.ts";
import { Recorder } from "../recorder.ts";
import { RpcSocket } from "../rpc.ts";
import { historyViolation, type WatchedChange, watchViolation } from "../sim/watch-checker.ts";
import { contract, type Fixture, pathOf } from "./fixture.ts";

const WRITERS = 6;
const WRITES = 30;
const WATCHERS = 6;

const watched = (change: ChangeEvent): WatchedChange => ({
  ...change,
  value: change.op === "set" ? JSON.stringify(change.value) : null,
});
const changesOf = (rpc: RpcSocket) => rpc.changes as unknown as readonly ChangeEvent[];

/** The whole history as the deployment tells it, in pages. */
async function historyOf(node: Fixture): Promise<readonly WatchedChange[]> {
  const client = node.client();
  const items: ChangeEvent[] = [];
  for (let since = 0; ; ) {
    const page = await client.changes(since, { limit: 50, consistency: "linearizable" });
    items.push(...page.items);
    since = page.nextSince;
    if (since >= page.revision) return items.map(watched);
  }
}

/** Sets, deletes and batches from several sides at once. */
async function write(node: Fixture, root: string): Promise<void> {
  const client = node.client();
  const one = async (writer: number) => {
    for (let turn = 0; turn < WRITES; turn += 1) {
      const [namespace, key] = [`${root}/${writer % 2 === 0 ? "even" : "odd"}`, `k${turn % 4}`];
      if (turn % 5 === 3) await client.delete(namespace, key);
      else if (turn % 5 === 4) {
        await client.batch([
          { op: "set", namespace: `${root}/even`, key: `b${writer}`, value: turn },
          { op: "set", namespace: `${root}/odd`, key: `b${writer}`, value: turn },
          { op: "set", namespace: `${root}-aside`, key: `b${writer}`, value: turn },
        ]);
      } else await client.set(namespace, key, { writer, turn });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => one(writer)));
}

contract("watching, C4", (node) => {
  test("pitfalls 36, 37: watchers that come at any time, anywhere, are told everything once, in order, whole", async () => {
    const root = "tenant:w1";
    const before = (await node.client().changes(0, { limit: 1 })).revision;
    const watchers: { rpc: RpcSocket; namespace: string; fromRevision: number }[] = [];
    const writing = write(node, root);
    for (let watcher = 0; watcher < WATCHERS; watcher += 1) {
      const rpc = await RpcSocket.open(node.memberUrl, "dev-agent");
      const namespace = [root, `${root}/even`][watcher % 2] ?? root;
      const asked = watcher < 4 ? { namespace, fromRevision: before + 3 * watcher } : { namespace };
      const { result } = await rpc.call("watch/subscribe", asked);
      watchers.push({
        rpc,
        namespace,
        fromRevision: (result as { fromRevision: number }).fromRevision,
      });
    }
    await writing;
    const end = await node.client().set(`${root}/even`, "end", true);
    const history = await historyOf(node);
    expect(historyViolation(history)).toBeNull();
    for (const { rpc, namespace, fromRevision } of watchers) {
      await eventually("the last change", () => changesOf(rpc).at(-1)?.revision === end.revision);
      const changes = changesOf(rpc).map(watched);
      const stretch = { fromRevision, changes, throughRevision: end.revision };
      const concerns = (change: WatchedChange) =>
        change.namespace === namespace || change.namespace.startsWith(`${namespace}/`);
      expect(watchViolation(history, stretch, concerns)).toBeNull();
      rpc.close();
    }
  }, 60_000);

  test("pitfall 36: resuming after any revision tells exactly what came after it", async () => {
    const namespace = "tenant:w2/settings";
    const revisions: number[] = [];
    for (let value = 0; value < 8; value += 1) {
      revisions.push((await node.client().set(namespace, `k${value % 3}`, value)).revision);
    }
    const last = revisions.at(-1) ?? 0;
    for (const [position, fromRevision] of revisions.slice(0, -1).entries()) {
      const rpc = await RpcSocket.open(node.memberUrl, "dev");
      await rpc.call("watch/subscribe", { namespace: "tenant:w2", fromRevision });
      await eventually("the last change", () => changesOf(rpc).at(-1)?.revision === last);
      expect(changesOf(rpc).map(({ revision }) => revision)).toEqual(revisions.slice(position + 1));
      rpc.close();
    }
  });

  test("a watch without a revision begins now; one that is ended tells no more; two must not overlap", async () => {
    const [namespace, root] = ["tenant:w3/settings", "tenant:w3"];
    const client = node.client();
    await client.set(namespace, "before", 1);
    const rpc = await RpcSocket.open(node.url, "dev-agent");
    await rpc.call("watch/subscribe", { namespace: root });
    await client.set(namespace, "during", 2);
    await eventually("the change", () => changesOf(rpc).length === 1);
    expect(changesOf(rpc)[0]).toMatchObject({ key: "during", value: 2, version: 1 });
    const codeOf = async (method: string, asked: string) =>
      (await rpc.call(method, { namespace: asked })).error?.code;
    expect(await codeOf("watch/subscribe", namespace)).toBe(-32602);
    expect(await codeOf("watch/unsubscribe", namespace)).toBe(-32004);
    expect(await codeOf("watch/unsubscribe", root)).toBeUndefined();
    await client.set(namespace, "after", 3);
    await rpc.call("watch/subscribe", { namespace: "tenant:w3b" });
    await client.set("tenant:w3b", "last", 4);
    await eventually("the change elsewhere", () => changesOf(rpc).length === 2);
    expect(changesOf(rpc).map(({ key }) => key)).toEqual(["during", "last"]);
    rpc.close();
  });

  test("pitfall 32: a key whose time is over is told to watchers as its deletion", async () => {
    const rpc = await RpcSocket.open(node.url, "dev-agent");
    await rpc.call("watch/subscribe", { namespace: "tenant:w4" });
    await node.call("PUT", pathOf("tenant:w4/settings", "brief"), { value: 1, ttlMs: 60 });
    await eventually("both changes", () => changesOf(rpc).length === 2);
    expect(changesOf(rpc)).toMatchObject([
      { op: "set", version: 1 },
      { op: "delete", version: 2, actor: "system:expiry", value: null },
    ]);
    rpc.close();
  });

  test("a ping is answered with what is missing: nothing", async () => {
    const rpc = await RpcSocket.open(node.url, "dev-agent");
    expect((await rpc.call("ping", {})).result).toEqual({ missing: [] });
    rpc.close();
  });
});

contract("what concurrent clients see, C1", (node) => {
  test("is linearizable", async () => {
    const recorder = new Recorder();
    for (let client = 0; client < 6; client += 1) recorder.add(node.client());
    await eventually("enough writes", () => recorder.writesDone >= 300);
    await recorder.end();
    expect(recorder.violation()).toBeNull();
  }, 60_000);
});
