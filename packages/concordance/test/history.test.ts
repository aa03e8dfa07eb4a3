import { expect, test } from "bun:test";
import { ConcordanceError } from "../shared/error.ts";
import { inTemporaryDirectory } from "./process.ts";
import { type Operation, violationOf } from "./sim/linearizability.ts";
import { Trio } from "./trio.ts";

const NAMESPACE = "tenant:acme/settings";
const KEYS = ["x", "y"] as const;
const WRITERS = 4;
const ROUNDS = 4;

/** One client that reads and writes until told to stop, and writes down what it saw. */
async function operate(
  trio: Trio,
  writer: number,
  histories: ReadonlyMap<string, Operation[]>,
  isOver: () => boolean,
): Promise<void> {
  const client = trio.client();
  for (let turn = 0; !isOver(); turn += 1) {
    const key = KEYS[turn % KEYS.length] ?? "x";
    const history = histories.get(key) ?? [];
    const calledMs = performance.now();
    if (turn % 3 === 2) {
      const entry = await client.get(NAMESPACE, key, { consistency: "linearizable" });
      const { value, version } = entry ?? { value: "", version: 0 };
      const answeredMs = performance.now();
      history.push({ kind: "read", calledMs, answeredMs, value: String(value), version });
      continue;
    }
    const value = `${writer}-${turn}`;
    const facts = { kind: "write" as const, calledMs, value, cas: null };
    try {
      const { version } = await client.set(NAMESPACE, key, value);
      history.push({ ...facts, answeredMs: performance.now(), answer: version });
    } catch (error) {
      if (!(error instanceof ConcordanceError)) throw error;
      history.push({ ...facts, answeredMs: Infinity, answer: null });
    }
    await Bun.sleep(2);
  }
}

test("C1: what clients of three processes saw is linearizable, through kill -9 and SIGSTOP of leaders", async () => {
  await inTemporaryDirectory(async (folder) => {
    const trio = await Trio.start(folder);
    const histories = new Map<string, Operation[]>(KEYS.map((key) => [key, []]));
    let over = false;
    const clients = Array.from({ length: WRITERS }, (_, writer) =>
      operate(trio, writer, histories, () => over),
    );
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        await Bun.sleep(300);
        const leader = await trio.leader();
        if (round % 2 === 0) {
          await trio.kill(leader);
          await Bun.sleep(300);
          await trio.add(leader);
        } else {
          // It wakes up believing that it leads, with requests in its sockets.
          process.kill(trio.node(leader).pid, "SIGSTOP");
          await Bun.sleep(800);
          process.kill(trio.node(leader).pid, "SIGCONT");
        }
        await trio.untilStatus("all follow one leader", ({ role, members, commitIndex }) => {
          const matched = members.map(({ matchIndex }) => matchIndex ?? 0);
          return role === "leader" && Math.min(...matched) >= commitIndex - 20;
        });
      }
    } finally {
      over = true;
      await Promise.all(clients);
      await trio.end();
    }
    for (const [key, history] of histories) {
      expect({ key, violation: violationOf(history) }).toEqual({ key, violation: null });
      expect(history.length).toBeGreaterThan(50);
      const done = history.filter((one) => one.kind === "write" && one.answer !== null);
      expect(done.length).toBeGreaterThan(30);
    }
  });
}, 90_000);
