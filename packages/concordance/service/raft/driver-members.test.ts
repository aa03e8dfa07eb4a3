import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually, inTemporaryDirectory } from "../../test/process.ts";
import { RaftDriver } from "./driver.ts";
import { RaftLog } from "./log.ts";
import { foundedBy } from "./membership.ts";
import type { Machine } from "./ports.ts";
import { type AppendRequest, type Incoming, type LogEntry, nodeId } from "./types.ts";

const [n1, n2] = [nodeId("n1"), nodeId("n2")];
const TAIL = 5;
const COMPACT = 20;

class Applied implements Machine<string> {
  readonly timeMs = 1_000;
  appliedIndex = 0;
  /** Hears of each apply, before it is done. */
  applying: (entries: readonly LogEntry[]) => void = () => undefined;

  apply(entries: readonly LogEntry[]): readonly (string | null)[] {
    this.applying(entries);
    this.appliedIndex = entries.at(-1)?.index ?? this.appliedIndex;
    return entries.map(({ kind, payload }) => (kind === "command" ? payload : null));
  }
  flush(): void {}
  async sync(): Promise<void> {}
  install(file: string): void {
    throw new Error(`nobody sends ${file} to a leader`);
  }
}

/** Its syncs beside the event loop end, while they are held, when the test says so. */
class HeldLog extends RaftLog {
  isHeld = false;
  /** As if the disk were slow. */
  override get syncsBeside(): boolean {
    return true;
  }
  #done: ((failure: Error | null) => void) | null = null;

  override saveBeside(...[hardState, append, done]: Parameters<RaftLog["saveBeside"]>): void {
    if (this.isHeld) this.#done = done;
    super.saveBeside(hardState, append, this.isHeld ? () => undefined : done);
  }
  get isSyncing(): boolean {
    return this.#done !== null;
  }
  end(failure: Error | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(failure);
  }
}

/** n1 leads n2, which is this test: it answers only what it is told to. */
async function leading(
  use: (member: Member) => Promise<void>,
  outbox: { heldIndex: number } = { heldIndex: Number.POSITIVE_INFINITY },
): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const log = new HeldLog(join(folder, "raft.db"));
    log.claim({ clusterId: "c", nodeId: n1, incarnation: "i" }, foundedBy([n1, n2], "i"));
    const member = new Member(log, outbox);
    await member.becomeLeader();
    await use(member);
    member.driver.stop();
    log.close();
    expect(member.failures).toEqual(member.expected);
  });
}

class Member {
  readonly driver: RaftDriver<string>;
  readonly machine = new Applied();
  readonly sent: Incoming[] = [];
  readonly log: HeldLog;
  readonly failures: unknown[] = [];
  expected: unknown[] = [];
  #nowMs = 0;

  constructor(log: HeldLog, outbox: { readonly heldIndex: number }) {
    this.log = log;
    this.driver = new RaftDriver<string>({
      nodeId: n1,
      log,
      machine: this.machine,
      outbox: {
        get heldIndex() {
          return outbox.heldIndex;
        },
        send: (message) => this.sent.push(message),
        offerSnapshot: () => undefined,
      },
      compaction: { entries: COMPACT, tail: TAIL },
      now: () => ({ monotonicMs: this.#nowMs, wallMs: 1_000, random: 0 }),
      onFatal: (error) => this.failures.push(error),
    });
  }

  /** What the log on disk ends with. */
  get saved(): number {
    return this.log.restore().log.lastIndex;
  }

  async becomeLeader(): Promise<void> {
    this.#nowMs = 200;
    this.driver.start();
    for (const preVote of [true, false]) {
      this.driver.receive({
        type: "vote_reply",
        from: n2,
        to: n1,
        term: 1,
        preVote,
        granted: true,
      });
    }
    expect(this.driver.state.role.kind).toBe("leader");
    this.answer();
  }

  /** The entries of all messages sent since the last look. */
  appends(): readonly AppendRequest[] {
    const { sent } = this;
    const appends = sent.filter((one): one is AppendRequest => one.type === "append_request");
    sent.splice(0);
    return appends;
  }

  /** n2 has everything it was sent. */
  answer(): readonly AppendRequest[] {
    const appends = this.appends();
    for (const { round, prevIndex, entries, term } of appends) {
      const facts = { round, success: true, matchIndex: prevIndex + entries.length, hintIndex: 0 };
      this.driver.receive({ type: "append_reply", from: n2, to: n1, term, ...facts });
    }
    return appends;
  }
}

/** Until everything that was due in this turn of the event loop is done. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const charsOf = ({ entries }: AppendRequest) =>
  entries.reduce((sum, { payload }) => sum + payload.length, 0);

describe("a driver that leads another member", () => {
  test("pitfall 20: no message carries more than 1 MiB of entries, and all of them arrive", async () => {
    await leading(async (member) => {
      const big = "x".repeat(400_000);
      const done = Promise.all(Array.from({ length: 6 }, () => member.driver.propose(big)));
      const sizes: number[] = [];
      let isDone = false;
      void done.then(() => {
        isDone = true;
      });
      await eventually("all are applied", () => {
        sizes.push(...member.answer().map(charsOf));
        return isDone;
      });
      expect(Math.max(...sizes)).toBe(800_000);
      expect(sizes.reduce((sum, one) => sum + one)).toBe(6 * big.length);
    });
  });

  test("§10.2.1: a batch is on its way before it is saved, and saved before this member counts for it", async () => {
    await leading(async (member) => {
      const done = member.driver.propose("p");
      await turn();
      const { commitIndex } = member.driver.state;
      const { lastIndex } = member.driver.state.log;
      expect(member.sent.some((one) => one.type === "append_request")).toBe(true);
      expect([member.saved, commitIndex]).toEqual([lastIndex - 1, lastIndex - 1]);
      // The answer comes before the disk's turn: it is the disk's turn first.
      member.machine.applying = () => expect(member.saved).toBe(lastIndex);
      member.answer();
      expect(await done).toEqual({ kind: "applied", result: "p" });
    });
  });

  test("§10.2.1: while the disk works on a batch this member counts for nothing in it, whoever else has it", async () => {
    await leading(async (member) => {
      member.log.isHeld = true;
      const before = member.driver.state.commitIndex;
      const done = Promise.all([member.driver.propose("p"), member.driver.propose("q")]);
      await turn();
      member.answer();
      await turn();
      expect([member.log.isSyncing, member.saved]).toEqual([true, before + 2]);
      expect([member.driver.state.commitIndex, member.machine.appliedIndex]).toEqual([
        before,
        before,
      ]);
      member.log.end(null);
      expect(await done).toMatchObject([{ result: "p" }, { result: "q" }]);
      expect(member.driver.state.commitIndex).toBe(before + 2);
    });
  });

  test("what happens while the disk works comes after it, in order, and proposals share the next sync", async () => {
    await leading(async (member) => {
      member.log.isHeld = true;
      const { syncs } = member.driver.stats;
      const before = member.machine.appliedIndex;
      const first = Promise.all([member.driver.propose("a"), member.driver.propose("b")]);
      await turn();
      member.answer();
      const rest = Promise.all(["c", "d", "e"].map((one) => member.driver.propose(one)));
      await turn();
      expect([member.log.isSyncing, member.appends()]).toEqual([true, []]);
      member.log.end(null);
      await first;
      member.answer();
      expect([member.log.isSyncing, member.machine.appliedIndex]).toEqual([true, before + 2]);
      member.log.end(null);
      expect(await rest).toMatchObject([{ result: "c" }, { result: "d" }, { result: "e" }]);
      expect(member.driver.stats.syncs - syncs).toBe(2);
    });
  });

  test("§5.3: a follower says that it has entries once its disk has them", async () => {
    await leading(async (member) => {
      member.log.isHeld = true;
      const { lastIndex, lastTerm } = {
        lastIndex: member.driver.state.log.lastIndex,
        lastTerm: member.driver.state.term,
      };
      const entries = [1, 2].map((offset) => ({
        index: lastIndex + offset,
        term: 2,
        kind: "command" as const,
        timeMs: 1_000,
        payload: "theirs",
      }));
      member.driver.receive({
        type: "append_request",
        from: n2,
        to: n1,
        term: 2,
        round: 1,
        prevIndex: lastIndex,
        prevTerm: lastTerm,
        throughIndex: lastIndex + 2,
        commitIndex: lastIndex,
        entries,
      });
      await turn();
      const replies = () => member.sent.filter(({ type }) => type === "append_reply");
      expect([member.log.isSyncing, replies()]).toEqual([true, []]);
      member.log.end(null);
      expect(replies()).toMatchObject([{ success: true, matchIndex: lastIndex + 2 }]);
    });
  });

  test("pitfall 3: a sync that fails ends the member, and nothing of that batch is answered", async () => {
    await leading(async (member) => {
      member.log.isHeld = true;
      const failure = new Error("EIO: the disk refuses");
      member.expected = [failure];
      const answers: string[] = [];
      for (const one of ["p", "q"]) {
        void member.driver.propose(one).then(({ kind }) => answers.push(kind));
      }
      await turn();
      member.answer();
      const applied = member.machine.appliedIndex;
      member.log.end(failure);
      await turn();
      expect([member.driver.failed, answers]).toEqual([true, []]);
      expect(member.machine.appliedIndex).toBe(applied);
    });
  });

  test("a member that stops waits for its disk, and answers what is decided then", async () => {
    await leading(async (member) => {
      member.log.isHeld = true;
      const done = Promise.all([member.driver.propose("p"), member.driver.propose("q")]);
      await turn();
      member.answer();
      expect(member.log.isSyncing).toBe(true);
      member.driver.stop();
      expect(await done).toMatchObject([{ result: "p" }, { result: "q" }]);
    });
  });

  test("what was sent is saved without another event, and nobody need answer", async () => {
    await leading(async (member) => {
      const waiting = member.driver.propose("p");
      await turn();
      const { lastIndex } = member.driver.state.log;
      await turn();
      expect(member.saved).toBe(lastIndex);
      member.driver.stop();
      expect(await waiting).toEqual({ kind: "unknown" });
    });
  });

  test("the next batch is on its way before the one before it is applied", async () => {
    await leading(async (member) => {
      const first = member.driver.propose("first");
      await turn();
      const second = member.driver.propose("second");
      await turn();
      const sent: string[] = [];
      member.machine.applying = ([entry]) => {
        const news = member.sent.filter((one) => one.type === "append_request");
        sent.push(`${entry?.payload}: ${news.flatMap((one) => one.entries.map((e) => e.payload))}`);
      };
      member.answer();
      member.answer();
      expect(await Promise.all([first, second])).toMatchObject([
        { result: "first" },
        { result: "second" },
      ]);
      expect(sent).toEqual(["first: second", "second: "]);
    });
  });

  test("pitfall 35: what waited when leadership was lost is unknown, whoever wrote the entry there", async () => {
    await leading(async (member) => {
      const mine = member.driver.propose("mine");
      await eventually("it is sent", () => member.appends().some((one) => one.entries.length > 0));
      const { lastIndex } = member.driver.state.log;
      const theirs: LogEntry = {
        index: lastIndex,
        term: 2,
        kind: "command",
        timeMs: 1_000,
        payload: "theirs",
      };
      const place = { prevIndex: lastIndex - 1, prevTerm: 1, throughIndex: lastIndex };
      member.driver.receive({
        type: "append_request",
        from: n2,
        to: n1,
        term: 2,
        round: 1,
        ...place,
        commitIndex: lastIndex,
        entries: [theirs],
      });
      expect(await mine).toEqual({ kind: "unknown" });
      expect(member.log.read(lastIndex, lastIndex)).toEqual([theirs]);
    });
  });

  test("pitfall 25: compaction keeps a tail, and what a transfer under way stands on", async () => {
    const outbox = { heldIndex: 9 };
    await leading(async (member) => {
      const write = async (count: number) => {
        for (let turn = 0; turn < count; turn += 1) {
          const done = member.driver.propose("p");
          let isDone = false;
          void done.then(() => {
            isDone = true;
          });
          await eventually("it is applied", () => {
            member.answer();
            return isDone;
          });
        }
      };
      await write(COMPACT + 10);
      await eventually("the log is compacted", () => member.driver.state.log.baseIndex > 0);
      expect(member.driver.state.log.baseIndex).toBe(9);
      outbox.heldIndex = Number.POSITIVE_INFINITY;
      await eventually("the rest follows", () => member.driver.state.log.baseIndex > 9);
      const { baseIndex, lastIndex } = member.driver.state.log;
      expect(lastIndex - baseIndex).toBe(TAIL);
    }, outbox);
  });
});
