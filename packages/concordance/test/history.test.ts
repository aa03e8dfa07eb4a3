import { expect, test } from "bun:test";
import { join } from "node:path";
import { Chronicle } from "./chronicle.ts";
import { Network } from "./network.ts";
import { eventually, inTemporaryDirectory, startCramped } from "./process.ts";
import { Trio } from "./trio.ts";

const BUDGET_MS = 180_000;
/** So much must be written between two misfortunes, and after the last. */
const PROGRESS = 40;
/** Of 512 bytes: a disk with room for little more than the cluster's first minute. */
const CRAMPED_BLOCKS = 1_500;

/** What clients and watchers of three real processes saw while `happen` did its worst. */
async function recorded(
  start: (folder: string) => Promise<Trio>,
  happen: (trio: Trio, chronicle: Chronicle, folder: string) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const trio = await start(folder);
    const chronicle = new Chronicle(trio);
    try {
      await chronicle.progress(PROGRESS);
      await happen(trio, chronicle, folder);
      await allFollow(trio);
      await chronicle.progress(PROGRESS);
      await chronicle.judge();
    } finally {
      await chronicle.stop();
      await trio.end();
    }
  });
}

/** Everybody is back: the next misfortune may take a member away again. */
async function allFollow(trio: Trio): Promise<void> {
  await trio.untilStatus("all follow one leader", ({ role, members, commitIndex }) => {
    const matched = members.map(({ matchIndex }) => matchIndex ?? 0);
    return role === "leader" && Math.min(...matched) >= commitIndex - 20;
  });
}

const followersOf = (trio: Trio, leader: string) =>
  [...trio.nodes.keys()].filter((id) => id !== leader);

test(
  "C1, C4: kill -9 and SIGSTOP of leaders: linearizable, no write lost, watchers told everything",
  async () => {
    await recorded(
      (folder) => Trio.start(folder),
      async (trio, chronicle) => {
        for (let round = 0; round < 2; round += 1) {
          const killed = await trio.leader();
          await trio.kill(killed);
          await chronicle.progress(PROGRESS);
          await trio.add(killed);
          await allFollow(trio);
          // It wakes up believing that it leads, with requests in its sockets.
          const frozen = await trio.leader();
          process.kill(trio.node(frozen).pid, "SIGSTOP");
          await chronicle.progress(PROGRESS);
          process.kill(trio.node(frozen).pid, "SIGCONT");
          await allFollow(trio);
        }
      },
    );
  },
  BUDGET_MS,
);

test(
  "C1, C4, pitfall 12: leaders that are cut off, in both directions or in one",
  async () => {
    const network = new Network();
    try {
      await recorded(
        (folder) => Trio.startOver(network, folder),
        async (trio, chronicle) => {
          for (const ways of [["out", "in"], ["out"], ["in"]]) {
            const leader = await trio.leader();
            for (const other of followersOf(trio, leader)) {
              if (ways.includes("out")) network.cut(leader, other);
              if (ways.includes("in")) network.cut(other, leader);
            }
            await chronicle.progress(PROGRESS);
            // What was held back arrives now, long after its time.
            network.heal();
            await allFollow(trio);
          }
        },
      );
    } finally {
      network.stop();
    }
  },
  BUDGET_MS,
);

test(
  "C1, C4, pitfall 22: a member that comes back to a state instead of a log, then a rolling restart",
  async () => {
    await recorded(
      (folder) => Trio.start(folder, "--compact-entries=100"),
      async (trio, chronicle) => {
        const [slow = ""] = followersOf(trio, await trio.leader());
        await trio.kill(slow);
        await chronicle.progress(250);
        await trio.add(slow);
        await allFollow(trio);
        const headers = { authorization: "Bearer dev" };
        const metrics = await fetch(`${trio.node(slow).url}/metrics`, { headers });
        expect(await metrics.text()).toMatch(/concordance_raft_installs_total [1-9]/);
        for (const id of [...trio.nodes.keys()]) {
          await trio.stop(id, "SIGTERM");
          await chronicle.progress(PROGRESS);
          await trio.add(id);
          await allFollow(trio);
        }
      },
    );
  },
  BUDGET_MS,
);

test(
  "C1, pitfall 3: a member whose disk is full ends and says so; nothing it promised is lost",
  async () => {
    await recorded(
      (folder) => Trio.start(folder),
      async (trio, chronicle, folder) => {
        const cramped = await trio.leader();
        await trio.kill(cramped);
        const place = [`--node-id=${cramped}`, `--listen=${trio.hosts.get(cramped)}`];
        const node = await startCramped(join(folder, cramped), CRAMPED_BLOCKS, ...place);
        trio.took(cramped, node);
        await allFollow(trio);
        await trio.post(await trio.leader(), "transfer", { nodeId: cramped });
        let exitCode: number | null | undefined;
        void node.exited.then((code) => {
          exitCode = code;
          trio.nodes.delete(cramped);
        });
        const fill = trio.client();
        for (let turn = 0; exitCode === undefined && turn < 200; turn += 1) {
          await fill.set("tenant:acme/bulk", `k${turn % 3}`, "x".repeat(100_000));
        }
        await eventually("the member with the full disk ends", () => exitCode !== undefined);
        expect(exitCode).toBe(70);
        expect(node.log()).toMatch(/disk is full|disk I\/O error/);
        await chronicle.progress(PROGRESS);
        await trio.add(cramped);
        await allFollow(trio);
      },
    );
  },
  BUDGET_MS,
);
