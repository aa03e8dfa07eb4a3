import { expect, test } from "bun:test";
import { inTemporaryDirectory } from "./process.ts";
import { Recorder } from "./recorder.ts";
import { Trio } from "./trio.ts";

const CLIENTS = 4;
const ROUNDS = 4;

test("C1: what clients of three processes saw is linearizable, through kill -9 and SIGSTOP of leaders", async () => {
  await inTemporaryDirectory(async (folder) => {
    const trio = await Trio.start(folder);
    const recorder = new Recorder();
    for (let client = 0; client < CLIENTS; client += 1) recorder.add(trio.client());
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
      await recorder.end();
      await trio.end();
    }
    expect(recorder.violation()).toBeNull();
    expect(recorder.writesDone).toBeGreaterThan(60);
    for (const history of recorder.histories.values()) expect(history.length).toBeGreaterThan(50);
  });
}, 90_000);
