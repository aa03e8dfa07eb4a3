/** The gateway's HTTP beside `/ws`: a real process, asked by fetch and by hand. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

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

describe("HTTP", () => {
  test("HTTP/1.0 without a Host is answered; an address that is none is the client's fault", async () => {
    expect(await raw(gateway.port, "GET /health HTTP/1.0")).toContain('"service":"diminuendo"');
    expect(await raw(gateway.port, "GET /ws HTTP/1.0")).toContain("Open a WebSocket here.");
    for (const head of ["GET / HTTP/1.1\r\nHost: [", "GET // HTTP/1.0"]) {
      const answer = await raw(gateway.port, head);
      expect(answer).toStartWith("HTTP/1.1 400 ");
      expect(answer).toContain('"code":"invalid_request"');
    }
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}${path}`, { headers });

  test("health, readiness and metrics", async () => {
    expect(await (await get("/health")).json()).toEqual({ ok: true, service: "diminuendo" });
    expect((await get("/ready")).status).toBe(200);
    const report = (await (await get("/api/health")).json()) as { dependencies: object };
    expect(Object.keys(report.dependencies).sort()).toEqual([
      "broadcast",
      "concord",
      "concordance",
      "ensemble",
      "podium",
    ]);
    expect(await (await get("/metrics")).text()).toContain("# TYPE diminuendo_turns_total counter");
  });

  test("reads go to Concord in the person's name and trace, and only listed paths do", async () => {
    const headers = {
      authorization: `Bearer ${TOKENS.ann}`,
      traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
    };
    expect((await get("/api/commands/cmd_1")).status).toBe(401);
    const timeline = await get("/api/commands/cmd_1/timeline?descendants=true&secret=1", headers);
    expect(await timeline.json()).toMatchObject({
      tenant_id: "acme",
      path: "/commands/cmd_1/timeline?descendants=true",
    });
    expect(timeline.headers.get("x-trace-id")).toBe("0123456789abcdef0123456789abcdef");
    expect(world.concord.seenTraces.at(-1)).toStartWith("00-0123456789abcdef0123456789abcdef-");
    expect(await (await get("/api/approvals?status=pending", headers)).json()).toMatchObject({
      asked: { status: "pending" },
    });
    expect((await get("/api/commands/nope", headers)).status).toBe(404);
    expect((await get("/api/events", headers)).status).toBe(404);
    expect((await get("/api/commands/..%2Fevents", headers)).status).toBe(404);
  });

  test("one person may ask so often and no more; others and their sockets are not touched", async () => {
    const strict = new World();
    const own = await strict.start("--http-requests-per-minute=20");
    const ask = (token: string) =>
      fetch(`${own.url}/api/billing`, { headers: { authorization: `Bearer ${token}` } });
    const statuses: number[] = [];
    for (let count = 0; count < 20; count += 1) statuses.push((await ask(TOKENS.ann)).status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    // A bucket of 20 fills by one every three seconds: of these at most a few can meet one.
    const refused = await Promise.all(Array.from({ length: 40 }, () => ask(TOKENS.ann)));
    const last = refused.findLast(({ status }) => status === 429);
    expect(await last?.json()).toMatchObject({ error: { code: "RATE_LIMITED" } });
    expect(Number(last?.headers.get("retry-after"))).toBeWithin(1, 4);
    expect((await ask(TOKENS.eve)).status).toBe(200);
    expect((await fetch(`${own.url}/health`)).status).toBe(200);
    await strict.stop();
  });
});
