import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PodiumEvent } from "../domain/podium-event.ts";
import { podiumEventsArrived } from "./handlers/index.ts";
import {
  EMPTY_MODEL,
  inOrder,
  type OpenTurn,
  type SessionModel,
  type Step,
  waitingFor,
} from "./session-model.ts";
import { applySessionTransition } from "./session-state.ts";
import { attached, failTurn, idled, openTurn, recovered, requestStop } from "./session-steps.ts";

const actor = { tenant: "acme", user: "ann", roles: ["owner"], permissions: [] };
const turn = (turnId: string): OpenTurn => ({
  turnId,
  text: "hi",
  actor,
  traceId: "0".repeat(32),
  commandId: null,
  stopActor: null,
  price: { inputPer1000: 1_000, outputPer1000: 2_000, reserve: 10_000 },
  usage: { inputTokens: 0, outputTokens: 0 },
});
const open = (turnId: string): Step =>
  openTurn({ turn: turn(turnId), messageId: `msg_${turnId}`, idempotencyKey: null });
const arrived = (eventType: string, content: unknown, turnId = "t1"): PodiumEvent => ({
  eventId: 1,
  eventType,
  turnId,
  content,
});
const asked = (id: string) =>
  arrived("tool.permission_requested", { request_id: id, command_id: "c", approval_type: "spend" });
const decided = (id: string) =>
  arrived("tool.approval_resolved", { request_id: id, command_id: "c", decision: "approved" });
const question = (id: string, more = {}) =>
  arrived("tool.question_requested", { request_id: id, questions: [], ...more });
const answered = (id: string) =>
  arrived("tool.question_resolved", { request_id: id, outcome: "answered" });
const statusAfter = (...steps: Step[]) => inOrder(...steps)(EMPTY_MODEL).model.status;

test("D4 with two approvals open the session waits for the last one", () => {
  const start = [open("t1"), attached, podiumEventsArrived([asked("a1"), asked("a2")])];
  expect(statusAfter(...start)).toBe("waiting");
  expect(statusAfter(...start, podiumEventsArrived([decided("a1")]))).toBe("waiting");
  expect(statusAfter(...start, podiumEventsArrived([decided("a1"), decided("a2")]))).toBe(
    "running",
  );
});

test("D4 a question makes the session wait like an approval does; one that nobody can answer does not", () => {
  const ofCommand = question("inp_1", { command_id: "c" });
  const over = answered("inp_1");
  const start = [open("t1"), attached];
  const waits = inOrder(...start, podiumEventsArrived([ofCommand]))(EMPTY_MODEL);
  expect(waits.drafts.at(-1)).toMatchObject({ status: "waiting", waitingFor: "question" });
  expect(statusAfter(...start, podiumEventsArrived([ofCommand, asked("a1"), over]))).toBe(
    "waiting",
  );
  expect(statusAfter(...start, podiumEventsArrived([ofCommand, over]))).toBe("running");
  expect(statusAfter(...start, podiumEventsArrived([question("q1")]))).toBe("running");
});

test("D4 with a decision and an answer wanted at once it names both, and then what is left", () => {
  const ofCommand = question("inp_1", { command_id: "c" });
  const told = (...events: PodiumEvent[]): readonly string[] =>
    inOrder(
      open("t1"),
      attached,
      podiumEventsArrived(events),
    )(EMPTY_MODEL).drafts.flatMap((draft) =>
      draft.type === "session_state" && draft.status !== "activating"
        ? [draft.waitingFor ?? draft.status]
        : [],
    );
  const start = ["ready", "running"];
  const both = [...start, "approval", "both"];
  expect(told(asked("a1"), asked("a2"), ofCommand)).toEqual(both);
  expect(told(asked("a1"), ofCommand, decided("a1"))).toEqual([...both, "question"]);
  expect(told(asked("a1"), ofCommand, answered("inp_1"))).toEqual([...both, "approval"]);
  expect(told(ofCommand, asked("a1"), decided("a1"), answered("inp_1"))).toEqual([
    ...start,
    "question",
    "both",
    "question",
    "running",
  ]);
});

test("the end of another turn does not end the open one", () => {
  const end = arrived("error", { code: "x", message: "y" }, "t0");
  const { model, drafts } = inOrder(open("t1"), attached, podiumEventsArrived([end]))(EMPTY_MODEL);
  expect(model.openTurn?.turnId).toBe("t1");
  expect(model.status).toBe("running");
  expect(drafts.at(-1)?.type).toBe("turn_error");
});

test("a turn that ends while an approval is open leaves nothing to wait for", () => {
  const end = arrived("complete", { final_text: "", status: "cancelled", command_id: "c" });
  const { model, rows } = inOrder(
    open("t1"),
    attached,
    podiumEventsArrived([asked("a1"), end]),
  )(EMPTY_MODEL);
  expect(model).toMatchObject({ status: "ready", openTurn: null });
  expect(model.pendingRequests.size).toBe(0);
  expect(rows).toContainEqual({
    kind: "approval_closed",
    approvalId: "a1",
    decision: "turn_ended",
  });
});

test("D4 recovery of a waiting session ends where it waited, by legal moves only", () => {
  const waiting = inOrder(
    open("t1"),
    attached,
    podiumEventsArrived([asked("a1")]),
  )(EMPTY_MODEL).model;
  expect(statusAfterFrom(waiting, recovered)).toBe("activating");
  expect(statusAfterFrom(waiting, recovered, attached)).toBe("waiting");
});
const statusAfterFrom = (model: SessionModel, ...steps: Step[]) =>
  inOrder(...steps)(model).model.status;

const STEPS: Readonly<Record<string, Step>> = {
  attached,
  recovered,
  idled,
  fail: failTurn("code", "message"),
  stop: requestStop(actor),
  created: podiumEventsArrived([arrived("created", { turn_id: "t1", command_id: "c" })]),
  asked: podiumEventsArrived([asked("a1")]),
  decided: podiumEventsArrived([decided("a1")]),
  questioned: podiumEventsArrived([question("inp_1", { command_id: "c" })]),
  answered: podiumEventsArrived([answered("inp_1")]),
  complete: podiumEventsArrived([
    arrived("complete", { final_text: "x", status: "succeeded", command_id: "c" }),
  ]),
};

test("D4 whatever happens in whatever order, every told move is in the table and the story is connected", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("open", ...Object.keys(STEPS)), { maxLength: 40 }),
      (names) => {
        let model = EMPTY_MODEL;
        for (const name of names) {
          // run_turn refuses while a turn is open; everything else may come at any time.
          if (name === "open" && model.openTurn !== null) continue;
          const change = (name === "open" ? open("t1") : STEPS[name])?.(model);
          if (change === undefined) throw new Error(name);
          let at = model.status;
          let waits = waitingFor(model) ?? undefined;
          for (const draft of change.drafts) {
            if (draft.type !== "session_state") continue;
            expect(draft.previous).toBe(at);
            const stays = draft.status === draft.previous;
            if (!stays) expect(applySessionTransition(at, draft.status)).toBe(draft.status);
            // It only says what else is waited for.
            else expect([at, draft.waitingFor !== waits]).toEqual(["waiting", true]);
            waits = draft.waitingFor;
            at = draft.status;
          }
          expect(change.model.status).toBe(at);
          expect(waitingFor(change.model) ?? undefined).toBe(waits);
          model = change.model;
          // An open turn is never forgotten by a session at rest.
          if (model.status === "inactive") expect(model.openTurn).toBeNull();
          if (model.status === "waiting") expect(model.pendingRequests.size).toBeGreaterThan(0);
        }
      },
    ),
  );
});
