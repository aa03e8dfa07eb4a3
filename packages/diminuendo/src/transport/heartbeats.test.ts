/** Each connection hears one heartbeat in an interval, and never many connections at a time; strangers are closed. */
import { expect, test } from "bun:test";
import type { Connection } from "./Connection.ts";
import { BEAT_PARTS, Heartbeats } from "./heartbeats.ts";

class Client {
  readonly actor;
  beatPart = 0;
  beatsAsNobody = 0;
  readonly texts: string[] = [];
  readonly closed: number[] = [];
  constructor(actor: object | null) {
    this.actor = actor;
  }
  sendText(text: string): void {
    this.texts.push(text);
  }
  close(code: number): void {
    this.closed.push(code);
  }
}

const joined = (beats: Heartbeats, count: number, actor: object | null) =>
  Array.from({ length: count }, () => {
    const client = new Client(actor);
    beats.add(client as unknown as Connection);
    return client;
  });
const interval = (beats: Heartbeats, clients: readonly Client[]) =>
  Array.from({ length: BEAT_PARTS }, (_, ts) => {
    const before = clients.reduce((sum, { texts }) => sum + texts.length, 0);
    beats.beat(clients as unknown as readonly Connection[], ts);
    return clients.reduce((sum, { texts }) => sum + texts.length, 0) - before;
  });

test("each hears one in an interval, a few at a time", () => {
  const beats = new Heartbeats();
  const clients = joined(beats, 1_000, {});
  const told = interval(beats, clients);
  expect(Math.max(...told)).toBeLessThanOrEqual(Math.ceil(1_000 / BEAT_PARTS));
  expect(new Set(clients.map(({ texts }) => texts.length))).toEqual(new Set([1]));
  expect(JSON.parse(clients[0]?.texts[0] ?? "")).toEqual({ type: "heartbeat", ts: 0 });
  interval(beats, clients);
  expect(new Set(clients.map(({ texts }) => texts.length))).toEqual(new Set([2]));
});

test("who has not signed in by its second heartbeat is closed", () => {
  const beats = new Heartbeats();
  const [stranger] = joined(beats, 1, null);
  interval(beats, stranger === undefined ? [] : [stranger]);
  expect(stranger?.closed).toEqual([]);
  interval(beats, stranger === undefined ? [] : [stranger]);
  expect(stranger?.closed).toEqual([4001]);
  expect(stranger?.texts).toEqual([]);
});
