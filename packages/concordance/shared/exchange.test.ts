import { afterEach, describe, expect, test } from "bun:test";
import { ConcordanceClient } from "./client.ts";

/** One answer a request, in order; the last one goes on. `null` never answers. */
type Script = readonly (((request: Request) => Response | Promise<Response>) | null)[];
const servers: { stop(force: boolean): Promise<void> }[] = [];

/** A member that answers what a script says, and keeps what it was asked. */
function member(script: Script) {
  const asked: Headers[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const answer = script[Math.min(asked.length, script.length - 1)];
      // Copied now: they are gone with the request.
      asked.push(new Headers(request.headers));
      return answer === null || answer === undefined
        ? new Promise(() => undefined)
        : answer(request);
    },
  });
  servers.push(server);
  return { url: server.url.origin, asked };
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

const written = () => Response.json({ ok: true, version: 1, revision: 1 });
const refused = (status: number, code: string) => () =>
  Response.json({ error: { code, message: `it is ${code}`, trace_id: "t" } }, { status });
const redirect = (to: string) => (request: Request) => {
  const { pathname, search } = new URL(request.url);
  return new Response(null, { status: 307, headers: { location: to + pathname + search } });
};
const idsOf = (asked: readonly Headers[]) => asked.map((headers) => headers.get("idempotency-key"));
const clientOf = (url: string | readonly string[], more = {}) =>
  new ConcordanceClient({ url, apiKey: "dev", timeoutMs: 300, retryForMs: 5_000, ...more });

describe("one request, asked until it is answered", () => {
  test("pitfall 34: every try of a write carries the same request id, whoever is asked", async () => {
    const [one, other] = [member([refused(503, "no_leader")]), member([null, written])];
    const client = clientOf([one.url, other.url]);
    expect(await client.set("tenant:a", "k", 1)).toMatchObject({ version: 1 });
    const ids = new Set([...idsOf(one.asked), ...idsOf(other.asked)]);
    expect(ids.size).toBe(1);
    expect([...ids][0]).toBeString();
    expect(other.asked).toHaveLength(2);
  });

  test("pitfall 34: after one lost answer, no later refusal may claim that nothing was written", async () => {
    const { url } = member([null, refused(503, "no_leader")]);
    const client = clientOf(url, { retryForMs: 700 });
    await expect(client.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "outcome_unknown" });
    await expect(client.get("tenant:a", "k")).rejects.toMatchObject({ code: "no_leader" });
  });

  test("a refusal that was decided is the answer, also after a lost one: the request id saw to that", async () => {
    const { url, asked } = member([null, refused(409, "cas_conflict")]);
    await expect(clientOf(url).set("tenant:a", "k", 1, { cas: 3 })).rejects.toMatchObject({
      code: "cas_conflict",
    });
    expect(asked).toHaveLength(2);
  });

  test("the leader that a redirect named is asked first from then on, until it fails", async () => {
    const leader = member([written, written, refused(503, "stopping"), written]);
    const follower = member([redirect(leader.url)]);
    const client = clientOf(follower.url);
    await client.set("tenant:a", "k", 1);
    await client.set("tenant:a", "k", 2);
    expect([follower.asked.length, leader.asked.length]).toEqual([1, 2]);
    await client.set("tenant:a", "k", 3);
    expect([follower.asked.length, leader.asked.length]).toEqual([2, 4]);
  });

  test("local reads stay with the member that answers; linearizable ones go to the leader", async () => {
    const leader = member([written]);
    const entry = () => Response.json({ value: 1, version: 1, revision: 1 });
    const follower = member([redirect(leader.url), entry]);
    const client = clientOf(follower.url);
    await client.set("tenant:a", "k", 1);
    await client.get("tenant:a", "k");
    await client.get("tenant:a", "k", { consistency: "linearizable" });
    expect([follower.asked.length, leader.asked.length]).toEqual([2, 2]);
  });

  test("a member that never answers does not hold a call beyond its deadline", async () => {
    const { url } = member([null]);
    const client = clientOf(url, { retryForMs: 900 });
    await expect(client.get("tenant:a", "k")).rejects.toMatchObject({ code: "unreachable" });
    await expect(client.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "outcome_unknown" });
  });

  test("the caller can give up, between tries and within one", async () => {
    for (const script of [[null], [refused(503, "no_leader")]] satisfies Script[]) {
      const giveUp = new AbortController();
      const { url, asked } = member(script);
      const call = clientOf(url, { timeoutMs: 60_000, retryForMs: 60_000 }).set(
        "tenant:a",
        "k",
        1,
        {
          signal: giveUp.signal,
        },
      );
      while (asked.length === 0) await Bun.sleep(5);
      giveUp.abort();
      await expect(call).rejects.toMatchObject({ code: "aborted" });
    }
  });

  test("a proxy's page is no refusal of ours: a read may be repeated, a write is unknown", async () => {
    const page = () => new Response("<h1>Bad Gateway</h1>", { status: 502 });
    const { url } = member([page]);
    const client = clientOf(url, { retryForMs: 0 });
    await expect(client.get("tenant:a", "k")).rejects.toMatchObject({ code: "unreachable" });
    await expect(client.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "outcome_unknown" });
    const stranger = member([() => new Response("hello")]);
    await expect(clientOf(stranger.url).get("tenant:a", "k")).rejects.toMatchObject({
      code: "unexpected_answer",
    });
  });

  test("the trace of the caller goes along when there is one", async () => {
    const { url, asked } = member([written]);
    const traces = ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", undefined];
    const client = clientOf(url, { traceparent: () => traces.shift() });
    await client.set("tenant:a", "k", 1);
    await client.set("tenant:a", "k", 2);
    expect(asked.map((headers) => headers.get("traceparent"))).toEqual([
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      null,
    ]);
  });
});
