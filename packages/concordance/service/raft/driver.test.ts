import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { inTemporaryDirectory } from "../../test/process.ts";
import { RaftDriver } from "./driver.ts";
import { RaftLog } from "./log.ts";
import { foundedBy } from "./membership.ts";
import type { Machine, Outcome } from "./ports.ts";
import { QUEUE_PROPOSALS_MAX } from "./proposal-queue.ts";
import { type LogEntry, nodeId } from "./types.ts";

const n1 = nodeId("n1");

/** Remembers what it was given. */
class Recorder implements Machine<string> {
  readonly entries: LogEntry[] = [];
  readonly timeMs = 1_000;
  appliedIndex: number;

  constructor(appliedIndex = 0) {
    this.appliedIndex = appliedIndex;
  }

  apply(entries: readonly LogEntry[]): readonly (string | null)[] {
    this.entries.push(...entries);
    this.appliedIndex = entries.at(-1)?.index ?? this.appliedIndex;
    return entries.map((entry) => (entry.kind === "command" ? entry.payload : null));
  }

  flush(): void {}
  async sync(): Promise<void> {}

  install(file: string): void {
    throw new Error(`nobody sends ${file} to a sole voter`);
  }
}

function drive(log: RaftLog, machine: Machine<string>) {
  const failures: unknown[] = [];
  const driver = new RaftDriver<string>({
    nodeId: n1,
    log,
    machine,
    outbox: {
      heldIndex: Number.POSITIVE_INFINITY,
      send: ({ type }) => failures.push(`sent ${type}`),
      offerSnapshot: ({ type }) => failures.push(`sent ${type}`),
    },
    compaction: { entries: 1_000_000, tail: 100 },
    now: () => ({ monotonicMs: performance.now(), wallMs: 1_000, random: 0 }),
    onFatal: (error) => failures.push(error),
  });
  return { driver, failures };
}

async function withLog(use: (log: RaftLog) => Promise<void>): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const log = new RaftLog(join(folder, "raft.db"));
    log.claim({ clusterId: "c", nodeId: n1, incarnation: "i" }, foundedBy([n1], "i"));
    await use(log);
    log.close();
  });
}

describe("the driver", () => {
  test("leads with its no-op applied as soon as it starts; answers each proposal with its own result", async () => {
    await withLog(async (log) => {
      const machine = new Recorder();
      const { driver } = drive(log, machine);
      expect(driver.leadsAlone()).toBe(false);
      driver.start();
      expect(driver.leadsAlone()).toBe(true);
      const payloads = ["a", "b", "c"];
      const outcomes = await Promise.all(payloads.map((one) => driver.propose(one)));
      const expected: Outcome<string>[] = payloads.map((result) => ({ kind: "applied", result }));
      expect(outcomes).toEqual(expected);
      driver.stop();
    });
  });

  test("pitfall 19: proposals that wait together share one sync (C1)", async () => {
    await withLog(async (log) => {
      const { driver } = drive(log, new Recorder());
      driver.start();
      const before = driver.stats.syncs;
      await Promise.all(Array.from({ length: 200 }, (_, i) => driver.propose(`p${i}`)));
      expect(driver.stats.syncs - before).toBe(1);
      driver.stop();
    });
  });

  test("C1, pitfall 1: an entry is on disk before it is applied", async () => {
    await withLog(async (log) => {
      const seenOnDisk: string[] = [];
      class Checking extends Recorder {
        override apply(entries: readonly LogEntry[]) {
          const onDisk = log.read(entries[0]?.index ?? 0, entries.at(-1)?.index ?? 0);
          seenOnDisk.push(...onDisk.map((entry) => entry.payload));
          return super.apply(entries);
        }
      }
      const { driver } = drive(log, new Checking());
      driver.start();
      await driver.propose("a");
      expect(seenOnDisk).toEqual(["", "a"]);
      driver.stop();
    });
  });

  test("pitfall 3: after a failed write nothing is answered and nothing more is written", async () => {
    await withLog(async (log) => {
      const machine = new Recorder();
      const { driver, failures } = drive(log, machine);
      driver.start();
      await driver.propose("kept");
      log.close();
      let answered = false;
      void driver.propose("doomed").then(() => {
        answered = true;
      });
      await Bun.sleep(20);
      expect(failures).toHaveLength(1);
      expect(answered).toBe(false);
      expect(driver.leadsAlone()).toBe(false);
      expect(await driver.propose("later")).toEqual({ kind: "stopping" });
      expect(machine.entries.map((entry) => entry.payload)).toEqual(["", "kept"]);
    });
  });

  test("pitfall 6: entries that were logged and not applied are applied on restart, once, in order (C3)", async () => {
    await withLog(async (log) => {
      const first = drive(log, new Recorder());
      first.driver.start();
      for (const payload of ["a", "b", "c"]) await first.driver.propose(payload);
      first.driver.stop();
      const behind = new Recorder(2);
      const second = drive(log, behind);
      second.driver.start();
      expect(behind.entries.map((entry) => entry.index)).toEqual([3, 4, 5]);
      expect(behind.entries.map((entry) => entry.payload)).toEqual(["b", "c", ""]);
      second.driver.stop();
    });
  });

  test("pitfall 5: a state that is ahead of its log is refused", async () => {
    await withLog(async (log) => {
      expect(() => drive(log, new Recorder(7))).toThrow("state.db holds 7 applied entries");
    });
  });

  test("pitfall 21: the queue is bounded; what does not fit is refused, the rest is done", async () => {
    await withLog(async (log) => {
      const { driver } = drive(log, new Recorder());
      driver.start();
      const proposals = Array.from({ length: QUEUE_PROPOSALS_MAX + 5 }, () => driver.propose("p"));
      const kinds = (await Promise.all(proposals)).map((outcome) => outcome.kind);
      expect(kinds.filter((kind) => kind === "overloaded")).toHaveLength(5);
      expect(kinds.filter((kind) => kind === "applied")).toHaveLength(QUEUE_PROPOSALS_MAX);
      driver.stop();
    });
  });

  test("stopping finishes what is queued and refuses what comes after", async () => {
    await withLog(async (log) => {
      const { driver } = drive(log, new Recorder());
      driver.start();
      const queued = driver.propose("queued");
      driver.stop();
      expect(await queued).toEqual({ kind: "applied", result: "queued" });
      expect(await driver.propose("late")).toEqual({ kind: "stopping" });
    });
  });
});
