import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory } from "../test/process.ts";
import { encodeCommand } from "./command.ts";
import { Fsm } from "./fsm.ts";
import { type OpenMember, openMember } from "./member.ts";
import type { Install } from "./raft/log.ts";
import { foundedBy } from "./raft/membership.ts";
import { type LogEntry, nodeId } from "./raft/types.ts";

const fresh = { clusterId: "c", nodeId: "n1", incarnation: "i" };
const open = (dataDir: string) =>
  openMember({ dataDir, nodeId: null, bootstrap: true, joinClusterId: null, fresh });
const put = (index: number): LogEntry => ({
  index,
  term: 1,
  kind: "command",
  timeMs: 1_000,
  payload: encodeCommand({
    type: "write",
    actor: "a",
    operations: [
      {
        op: "set",
        namespace: "t",
        key: `k${index}`,
        valueJson: "1",
        cas: null,
        expiresAt: null,
        ttlMs: null,
      },
    ],
  }),
});
const hardState = (commitIndex: number) => ({ term: 1, votedFor: null, commitIndex });

/** A member that has applied two entries, and beside it a received state of five. */
function beforeInstall(folder: string): { readonly opened: OpenMember; readonly install: Install } {
  const donor = open(join(folder, "donor"));
  new Fsm(donor.state.store).apply([1, 2, 3, 4, 5].map(put));
  donor.close(); // Moves all of it into the one file.
  const opened = open(join(folder, "taker"));
  opened.log.save(hardState(2), [put(1), put(2), put(3)]);
  new Fsm(opened.state.store).apply([put(1), put(2)]);
  copyFileSync(join(folder, "donor/state.db"), join(folder, "taker/transfer-in-1.db"));
  const membership = foundedBy([nodeId("n1")], "i");
  const snapshot = { index: 5, lastTerm: 1, timeMs: 1_000, membership };
  return { opened, install: { snapshot, keepLog: false, file: "transfer-in-1.db" } };
}

describe("taking a received state (pitfall 22)", () => {
  test("a crash before it is written down leaves the old state, and no leftovers", async () => {
    await inTemporaryDirectory(async (folder) => {
      beforeInstall(folder).opened.close();
      const again = open(join(folder, "taker"));
      expect(again.state.store.position.appliedIndex).toBe(2);
      expect(again.log.restore().log).toMatchObject({ baseIndex: 0, lastIndex: 3 });
      expect(readdirSync(join(folder, "taker")).filter((name) => /^transfer/.test(name))).toEqual(
        [],
      );
      again.close();
    });
  });

  test("a crash after it is written down leaves the new state, wherever the swap was cut", async () => {
    for (const swapped of [false, true]) {
      await inTemporaryDirectory(async (folder) => {
        const { opened, install } = beforeInstall(folder);
        opened.log.save(hardState(5), [], install);
        if (swapped) opened.state.replace(install.file);
        opened.close();
        const again = open(join(folder, "taker"));
        expect(again.state.store.position).toMatchObject({ appliedIndex: 5, revision: 5 });
        expect(again.state.store.row("t", "k4")).not.toBeNull();
        expect(again.log.base()).toMatchObject({ index: 5, installing: null });
        expect(again.log.restore().log).toMatchObject({ baseIndex: 5, lastIndex: 5 });
        expect(existsSync(join(folder, "taker", install.file))).toBe(false);
        again.close();
      });
    }
  });

  test("pitfall 25: compaction keeps what is above it, over a restart", async () => {
    await inTemporaryDirectory(async (folder) => {
      const { opened, install } = beforeInstall(folder);
      opened.log.compact({ ...install.snapshot, index: 2 });
      expect(opened.log.sweep()).toBe(false);
      opened.close();
      const again = open(join(folder, "taker"));
      expect(again.log.restore().log).toMatchObject({ baseIndex: 2, baseTerm: 1, lastIndex: 3 });
      expect(again.log.read(3, 3)).toEqual([put(3)]);
      expect(() => again.log.read(2, 3)).toThrow("holes");
      again.close();
    });
  });
});
