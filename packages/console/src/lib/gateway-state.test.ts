import type { SessionEvent } from "@concert/sdk";
import { describe, expect, test } from "vitest";
import { applyArrivals, EMPTY_GATEWAY_STATE } from "./gateway-state.ts";

const said = (seq: number, idempotencyKey: string): SessionEvent => ({
  type: "user_message",
  sessionId: "s",
  seq,
  ts: 0,
  messageId: `m${seq}`,
  text: "Hello",
  userId: "u",
  idempotencyKey,
});

describe("arrivals", () => {
  test("the durable message replaces the one shown ahead of it, and no other", () => {
    const waiting = (idempotencyKey: string) => ({ idempotencyKey, text: "Hello", failure: null });
    const state = { ...EMPTY_GATEWAY_STATE, outbox: { s: [waiting("k1"), waiting("k2")] } };
    const next = applyArrivals(state, [{ kind: "event", event: said(1, "k1") }]);
    expect(next.outbox["s"]).toEqual([waiting("k2")]);
    expect(next.views["s"]?.items).toHaveLength(1);
  });

  test("a changed file is counted for its session, so that who shows files reads them again", () => {
    const changed = (sessionId: string, seq: number): SessionEvent => {
      const place = { type: "file.changed", sessionId, seq, ts: 0 } as const;
      return { ...place, path: "a", change: "modified" };
    };
    const events = [changed("s", 1), changed("t", 1), changed("s", 2), said(3, "k")];
    const next = applyArrivals(
      EMPTY_GATEWAY_STATE,
      events.map((event) => ({ kind: "event", event })),
    );
    expect(next.fileChanges).toEqual({ s: 2, t: 1 });
  });

  test("of a deleted session nothing is left, neither in the list nor what was seen of it", () => {
    const events = [said(1, "k1"), { ...said(1, "k2"), sessionId: "t" }];
    const first = applyArrivals(
      EMPTY_GATEWAY_STATE,
      events.map((event) => ({ kind: "event", event })),
    );
    const next = applyArrivals(first, [{ kind: "deleted", sessionId: "s" }]);
    expect(Object.keys(next.views)).toEqual(["t"]);
  });

  test("a reset forgets the session's view before the new log is told", () => {
    const first = applyArrivals(EMPTY_GATEWAY_STATE, [{ kind: "event", event: said(7, "k1") }]);
    const next = applyArrivals(first, [
      { kind: "reset", sessionId: "s" },
      { kind: "event", event: said(1, "k2") },
    ]);
    expect(next.views["s"]).toMatchObject({ headSeq: 1, items: [{ idempotencyKey: "k2" }] });
  });
});
