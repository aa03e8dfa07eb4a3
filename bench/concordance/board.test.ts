/** Figures become medians, ratios and verdicts; a row that was not measured on the other side is not met. */
import { expect, test } from "bun:test";
import { Board } from "./board.ts";
import { loadOf } from "./native.ts";
import { assertInstalled } from "./processes.ts";
import { marks } from "./watchers.ts";

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

test("what a cheaper client gets out of etcd is shown and judges nothing", () => {
  const board = new Board();
  board.record("put-8-rate", "Concordance", 9_000);
  board.record("put-8-rate", "etcd", 3_000);
  board.record("put-8-rate", "etcd gRPC", 3_000);
  board.record("put-8-rate", "etcd h2load", 8_000);
  const line = lineOf(board, "put, 8 clients");
  expect(line).toContain("| 8,000/s | 3.00×, 3.00× |");
  expect(line).toEndWith("| met |");
});

test("one failed call of etcd's client voids the cell, and so do none at all", () => {
  const figures = { perSecond: 2, requests: 4, p50Ms: 1, p90Ms: 1, p99Ms: 1, maxMs: 1 };
  const printed = (errors: number, requests: number) =>
    JSON.stringify({ ...figures, requests, errors, firstWhy: errors > 0 ? "deadline" : "" });
  expect(loadOf(printed(0, 4))).toEqual(figures);
  expect(() => loadOf(printed(1, 4))).toThrow("1 calls failed: deadline");
  expect(() => loadOf(printed(0, 0))).toThrow("none was answered");
});

test("a tool or source that is missing is named with its package", () => {
  const [there, missing] = [import.meta.path, "/no/such/clientv3"];
  expect(() => assertInstalled({ [there]: "a", [missing]: "golang-etcd-server-dev" })).toThrow(
    "apt-get install golang-etcd-server-dev",
  );
  expect(() => assertInstalled({ [there]: "a", sh: "dash" })).not.toThrow();
});

test("every mark in a stream is found once, however the stream is cut", () => {
  const stream = Buffer.from("<x<<1>>y< <<22>>><<333>>z<<4>><");
  for (let size = 1; size <= stream.length; size += 1) {
    const seen: number[] = [];
    const read = marks((event) => seen.push(event));
    for (let at = 0; at < stream.length; at += size) read(stream.subarray(at, at + size));
    expect(seen).toEqual([1, 22, 333, 4]);
  }
});
