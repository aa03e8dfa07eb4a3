/** A question to a person, end to end through a real gateway: asked, refused where it has to be, answered, dismissed. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

const statuses = (events: readonly SessionEvent[]) =>
  events.flatMap((e) => (e.type === "session_state" ? [e.status] : []));

const ask = async (script = "question") => {
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const { session } = (await ann.ask({
    type: "create_session",
    agentType: "echo",
  })) as unknown as { session: { sessionId: string } };
  const { sessionId } = session;
  await ann.ask({ type: "join_session", sessionId });
  await ann.ask({ type: "run_turn", sessionId, text: `${script} who comes` });
  await ann.until(() => ann.has("question_requested"));
  await ann.until(() => statuses(ann.log(sessionId)).at(-1) === "waiting");
  const asked = ann.log(sessionId).find((e) => e.type === "question_requested");
  if (asked?.type !== "question_requested") throw new Error("nothing was asked");
  const { requestId } = asked;
  const answers = { input: { guest_name: "Ada" } };
  const answer = { type: "answer_question", sessionId, requestId, answers } as const;
  return { ann, sessionId, asked, answer };
};

test("D4 the session waits for the answer, whoever may not or does not fit is told, and the turn goes on", async () => {
  const { ann, sessionId, asked, answer } = await ask();
  expect(asked).toMatchObject({
    questions: [{ text: "Who will stay there?", fields: ["guest_name"] }],
    answerSchema: { required: ["guest_name"] },
    expiresAt: Date.parse("2030-01-01"),
  });
  const meta = await ann.ask({ type: "list_sessions" });
  expect(JSON.stringify(meta)).toContain('"waitingFor":"question"');
  const [bob, eve, viewer] = await Promise.all(
    [TOKENS.bob, TOKENS.eve, TOKENS.viewer].map((token) => TestClient.as(gateway.port, token)),
  );
  expect(await bob?.ask(answer)).toMatchObject({ code: "PermissionDenied" });
  expect(await viewer?.ask(answer)).toMatchObject({ code: "PermissionDenied" });
  expect(await eve?.ask(answer)).toMatchObject({ code: "SessionNotFound" });
  expect(await ann.ask({ ...answer, requestId: "inp_other" })).toMatchObject({
    code: "QuestionNotFound",
  });
  expect(await ann.ask({ ...answer, answers: { decision: "approved" } })).toMatchObject({
    code: "INVALID_MESSAGE",
  });
  expect(await ann.ask({ ...answer, answers: { input: { guest_name: 7 } } })).toMatchObject({
    code: "InvalidAnswer",
    problems: [{ path: "/guest_name", problem: "must be string" }],
  });
  expect(statuses(ann.log(sessionId)).at(-1)).toBe("waiting");
  expect(await ann.ask(answer)).toMatchObject({ type: "answer_accepted", decision: "answered" });
  await ann.until(() => ann.has("turn_complete"));
  expect(ann.log(sessionId)).toContainEqual(
    expect.objectContaining({
      type: "question_resolved",
      outcome: "answered",
      answeredBy: "ann",
    }),
  );
  expect(await ann.ask(answer)).toMatchObject({ code: "QuestionClosed" });
  for (const client of [ann, bob, eve, viewer]) client?.close();
});

test("with an approval and a question open the list names both, and what is left when one is over", async () => {
  const { ann, sessionId, answer } = await ask("both");
  const listed = async () => {
    const { sessions } = (await ann.ask({ type: "list_sessions" })) as unknown as {
      sessions: readonly { sessionId: string; waitingFor: unknown }[];
    };
    return sessions.find((one) => one.sessionId === sessionId)?.waitingFor;
  };
  expect(await listed()).toBe("both");
  const asked = ann.log(sessionId).find((e) => e.type === "permission_requested");
  const requestId = asked?.type === "permission_requested" ? asked.requestId : "";
  await ann.ask({ ...answer, requestId, answers: { decision: "rejected" } });
  await ann.until(() => ann.log(sessionId).some((e) => e.type === "approval_resolved"));
  expect(await listed()).toBe("question");
  const told = ann.events.flatMap((e) =>
    e.type === "session_updated" && e.session.sessionId === sessionId ? [e.session.waitingFor] : [],
  );
  expect(told.slice(-2)).toEqual(["both", "question"]);
  expect(await ann.ask(answer)).toMatchObject({ decision: "answered" });
  await ann.until(() => ann.has("turn_complete"));
  expect(await listed()).toBeNull();
  ann.close();
});

test("a question that the person does not want to answer is over as well", async () => {
  const { ann, sessionId, answer } = await ask();
  const dismissed = { ...answer, answers: { input: {} }, dismissed: true };
  expect(await ann.ask(dismissed)).toMatchObject({ decision: "dismissed" });
  await ann.until(() => statuses(ann.log(sessionId)).at(-1) === "ready");
  expect(ann.log(sessionId)).toContainEqual(
    expect.objectContaining({ type: "question_resolved", outcome: "cancelled" }),
  );
  ann.close();
});
