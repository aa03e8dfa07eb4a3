/** Figures become medians, ratios and verdicts; a row that was not measured on the other side is not met. */
import { expect, test } from "bun:test";
import { Board } from "./board.ts";

const lineOf = (board: Board, label: string) =>
  board
    .text()
    .split("\n")
    .find((line) => line.startsWith(`| ${label} |`));

test("a rate is judged by its median against both columns", () => {
  const board = new Board();
  for (const value of [9_000, 17_000, 18_000]) board.record("put-64-rate", "Concordance", value);
  board.record("put-64-rate", "etcd", 5_000);
  board.record("put-64-rate", "etcd gRPC", 6_500);
  const line = lineOf(board, "put, 64 clients");
  expect(line).toContain("17,000/s (9,000–18,000)");
  expect(line).toContain("2.62×, 3.40×");
  expect(line).toEndWith("| met |");
});

test("one target that is missed makes the row short", () => {
  const board = new Board();
  board.record("put-64-rate", "Concordance", 17_000);
  board.record("put-64-rate", "etcd", 5_000);
  board.record("put-64-rate", "etcd gRPC", 7_000);
  expect(lineOf(board, "put, 64 clients")).toEndWith("| **short** |");
});

test("a latency must not exceed its share, and a bare bound needs no rival", () => {
  const board = new Board();
  board.record("put-1-p50", "Concordance", 0.5);
  board.record("put-1-p50", "etcd", 1);
  board.record("put-1-p50", "etcd gRPC", 0.8);
  board.record("failover-lost", "Concordance", 0);
  expect(lineOf(board, "put, 1 client, p50")).toEndWith("| **short** |");
  expect(lineOf(board, "acknowledged writes lost over all failovers")).toEndWith("| met |");
});

test("without the other side there is no verdict in its favour", () => {
  const board = new Board();
  board.record("rss-100k", "Concordance", 60);
  const line = lineOf(board, "resident memory, 100,000 keys");
  expect(line).toContain("not measured");
  expect(line).toEndWith("| **short** |");
  expect(() => board.record("no-such-row", "etcd", 1)).toThrow("no row");
});
