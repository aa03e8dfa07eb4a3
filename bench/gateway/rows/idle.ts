/** Owns the rows of many connections that do nothing: memory, and one notice to all of them. */
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { World } from "../gateway.ts";
import { assertWell } from "../stage.ts";

const SETTLE_MS = 5_000;
const NOTICES = { count: 20, everyMs: 500 };
const GRACE_MS = 3_000;

export async function benchIdle({ connections }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 50 }, async (world) => {
    const { crowd, port, tokens } = world;
    await crowd.ask("connect", { port, count: 1, tokens });
    board.record("idle-rss-empty", world.rssMb());
    const before = await world.metric("diminuendo_connections");
    board.record("idle-connect", await crowd.ask("connect", { port, count: connections, tokens }));
    await Bun.sleep(SETTLE_MS);
    // `connect` resolves when the gateway has said who each of them is.
    assertWell(await crowd.ask("seen", { reset: true }));
    const open = (await world.metric("diminuendo_connections")) - before;
    if (open !== connections) throw new Error(`${open} of ${connections} connections are open`);
    board.record("idle-rss", world.rssMb());
  });
}

export async function benchBroadcast({ connections }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 1 }, async (world) => {
    const { crowd, port, tokens } = world;
    await crowd.ask("connect", { port, count: connections, tokens });
    const [sessionId = ""] = await crowd.ask("create", { sessions: 1, every: 1 });
    await crowd.ask("rename", { viewer: 0, sessionId, count: 3, everyMs: NOTICES.everyMs });
    await Bun.sleep(GRACE_MS);
    await crowd.ask("seen", { reset: true });
    await crowd.ask("rename", { viewer: 0, sessionId, ...NOTICES });
    await Bun.sleep(GRACE_MS);
    const seen = await crowd.ask("seen", { reset: true });
    assertWell(seen);
    // Who caused it has the direct answer instead.
    const expected = NOTICES.count * (connections - 1);
    if (seen.latencyMs.count > expected) throw new Error("notices came twice");
    board.record("broadcast-p99", seen.latencyMs.p99);
    board.record("broadcast-delivered", (100 * seen.latencyMs.count) / expected);
  });
}
