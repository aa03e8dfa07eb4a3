/** What a start looks like with and without a terminal. */
import { expect, test } from "bun:test";
import { Progress } from "./Progress.ts";

function screen(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => void written.push(text) };
}

const change = (phase: "starting" | "healthy" | "backing_off", detail = "") =>
  ({ name: "concord", phase, detail, pid: 1 }) as const;

test("without a terminal each change is one line, and a repeated state is none", () => {
  const plain = screen(false);
  const progress = new Progress(["concord"], plain);
  progress.update(change("starting"), 1_000);
  progress.update(change("starting", "its port"), 1_500);
  progress.update(change("starting", "its port"), 1_600);
  progress.update(change("healthy"), 2_250);
  progress.finish();
  expect(plain.written).toEqual([
    "  · concord   0.0 s  starting\n",
    "  · concord   0.5 s  starting, waiting for its port\n",
    "  ✓ concord   1.3 s  ready\n",
  ]);
});

test("on a terminal the lines are drawn over the ones before", () => {
  const terminal = screen(true);
  const progress = new Progress(["concord", "podium"], terminal);
  progress.update(change("healthy"), 0);
  progress.finish();
  const last = terminal.written.at(-1) ?? "";
  expect(last).toContain("✓ concord");
  expect(last).toContain("· podium");
  expect(last.split("\x1b[2K")).toHaveLength(3);
});
