import type { SessionMeta } from "@concert/sdk";
import { expect, test } from "vitest";
import { orderedSessions, sessionState } from "./sessions.ts";

const session = (sessionId: string, more: Partial<SessionMeta> = {}): SessionMeta => ({
  sessionId,
  name: sessionId,
  agentType: "echo",
  status: "ready",
  createdAt: 1,
  updatedAt: 1,
  archived: false,
  lastSeq: 1,
  waitingFor: null,
  ...more,
});

test("a waiting session says everything that it waits for", () => {
  const said = (waitingFor: SessionMeta["waitingFor"]) =>
    sessionState({ status: "waiting", waitingFor });
  expect(said("approval")).toBe("Waiting for your approval");
  expect(said("question")).toBe("Waiting for your answer");
  expect(said("both")).toBe("Waiting for your approval and your answer");
});

test("what waits for a person comes first, then the newest; what was put away is not listed", () => {
  const listed = orderedSessions({
    old: session("old"),
    new: session("new", { updatedAt: 9 }),
    away: session("away", { archived: true }),
    waits: session("waits", { status: "waiting", waitingFor: "both" }),
  });
  expect(listed.map(({ sessionId }) => sessionId)).toEqual(["waits", "new", "old"]);
});
