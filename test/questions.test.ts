/** A question to a person over every process: asked, refused where it has to be, answered in the session, by HTTP and by CLI. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { REPOSITORY } from "@concert/cli/stack";
import { concordOf } from "./support/concord.ts";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import {
  answerQuestion,
  askForBooking,
  completionOf,
  FOR_A_COLLEAGUE,
  GUEST,
  questionOf,
  recordOf,
} from "./support/journey.ts";
import {
  eventually,
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

let stack: TestStack;
let witness: GatewayWitness;

beforeAll(async () => {
  stack = await startTestStack();
}, START_TIMEOUT_MS);
afterAll(() => stack?.dispose(), START_TIMEOUT_MS);
beforeEach(async () => {
  witness = new GatewayWitness(stack.urls.diminuendo);
  await witness.connect();
});
afterEach(() => witness.close());

/** Other dates for each test: a draft that is asked for again is the same draft. */
let week = 0;
async function ask() {
  week += 1;
  const request = FOR_A_COLLEAGUE.replace("3 to 5 March", `${week} to ${week + 1} April`);
  const sessionId = await askForBooking(witness, request);
  const question = await questionOf(witness);
  const [requestId, commandId] = [String(question["requestId"]), String(question["commandId"])];
  return { sessionId, question, requestId, commandId };
}
const overHttp = async (path: string, body?: unknown) => {
  const response = await fetch(`${stack.urls.diminuendo}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test(
  "the answer goes to the hotel, not to the model, and everything is on record",
  async () => {
    const { sessionId, question } = await ask();
    expect(question).toMatchObject({
      questions: [{ text: "Who will stay there?", fields: ["guest_name", "guest_email"] }],
      answerSchema: { required: ["guest_name", "guest_email"], additionalProperties: false },
      askedBy: "hotel_reservation.confirm",
    });
    const { sessions } = await witness.ask({ type: "list_sessions" });
    expect(JSON.stringify(sessions)).toContain('"waitingFor":"question"');
    await answerQuestion(witness, sessionId);
    const done = await completionOf(witness);
    expect(vendorOf(stack).guests().at(-1)).toEqual(GUEST);
    const types = witness.events.map(({ type }) => type);
    expect(types).toContain("question_resolved");
    const seen = JSON.stringify(witness.events.filter(({ type }) => type !== "question_requested"));
    expect(seen).not.toContain(GUEST.guest_email);
    const told = (await recordOf(stack, String(done["commandId"]))).map((one) => one.event_type);
    expect(told).toContain("input_requested");
    expect(told).toContain("input_provided");
  },
  TEST_TIMEOUT_MS,
);

test(
  "who may not answer, what does not fit, and what comes too late changes nothing",
  async () => {
    const { sessionId, requestId, commandId } = await ask();
    const give = (input: unknown) => witness.give(sessionId, requestId, { input });
    const wrong = await give({ guest_name: "Ada", guest_email: "nowhere" });
    expect(wrong).toMatchObject({ code: "InvalidAnswer" });
    expect(JSON.stringify(wrong["problems"])).toContain("/guest_email");
    expect(await give({ ...GUEST, booking_draft_id: "art_1" })).toMatchObject({
      code: "InvalidAnswer",
    });
    const asPerson = (tenant: string, user: string) =>
      concordOf(stack, { tenant, user, roles: ["member"], permissions: ["book_travel"] });
    const body = { input: GUEST, input_request_id: requestId };
    const path = `/commands/${commandId}/input`;
    const foreign = await asPerson("elsewhere", "eve")(path, { method: "POST", body });
    expect(foreign.status).toBe(404);
    const other = await asPerson("dev", "mallory")(path, { method: "POST", body });
    expect([other.status, (other.body["error"] as { code: string }).code]).toEqual([
      403,
      "forbidden",
    ]);
    expect((await asPerson("elsewhere", "eve")("/inputs")).body["items"]).toEqual([]);
    const open = await overHttp(`/api/inputs?status=open&command_id=${commandId}`);
    expect(open.body["items"]).toMatchObject([{ input_request_id: requestId }]);
    await answerQuestion(witness, sessionId);
    await completionOf(witness);
    expect(await give({ ...GUEST, guest_name: "Ben" })).toMatchObject({ code: "QuestionClosed" });
    expect(vendorOf(stack).guests().at(-1)).toEqual(GUEST);
  },
  TEST_TIMEOUT_MS,
);

test(
  "answered over HTTP, and left unanswered: the booking is not made and the agent says so",
  async () => {
    const first = await ask();
    const path = `/api/commands/${first.commandId}/input`;
    const bad = await overHttp(path, { inputRequestId: first.requestId, input: {} });
    expect(bad.status).toBe(400);
    const answer = { inputRequestId: first.requestId, input: GUEST };
    expect((await overHttp(path, answer)).status).toBe(200);
    await completionOf(witness);
    expect((await overHttp(path, answer)).status).toBe(409);
    const before = await vendorOf(stack).bookings();
    const other = new GatewayWitness(stack.urls.diminuendo);
    await other.connect();
    const sessionId = await askForBooking(other, FOR_A_COLLEAGUE.replace("March", "May"));
    const { requestId } = await questionOf(other);
    const dismissed = { type: "answer_question", sessionId, requestId, dismissed: true };
    expect(await other.ask({ ...dismissed, answers: { input: {} } })).toMatchObject({
      decision: "dismissed",
    });
    expect((await completionOf(other))["status"]).toBe("succeeded");
    expect(await vendorOf(stack).bookings()).toEqual(before);
    const over = other.events.find(({ type }) => type === "question_resolved");
    expect(over).toMatchObject({ outcome: "cancelled" });
    other.close();
  },
  TEST_TIMEOUT_MS,
);

test(
  "answered by the command line",
  async () => {
    const { requestId, commandId } = await ask();
    const cli = async (...args: readonly string[]) => {
      const main = join(REPOSITORY, "packages/cli/src/main.ts");
      const child = Bun.spawn([process.execPath, main, ...args, "--json"], {
        stdout: "pipe",
        stderr: "pipe",
        env: {
          ...process.env,
          CONCORD_URL: stack.urls.concord,
          CONCORD_API_KEY: stack.keys.concordApiKeys.split("=")[0] ?? "",
        },
      });
      const out = await new Response(child.stdout).text();
      return { code: await child.exited, out };
    };
    const listed = await cli("question", "list", "--status", "open");
    expect(JSON.parse(listed.out).items).toMatchObject([{ input_request_id: requestId }]);
    const input = JSON.stringify(GUEST);
    expect((await cli("question", "answer", commandId, "{}")).code).not.toBe(0);
    expect((await cli("question", "answer", commandId, input, "--question", requestId)).code).toBe(
      0,
    );
    await completionOf(witness);
    const over = await eventually("the end of the question", () =>
      witness.events.find(({ type }) => type === "question_resolved"),
    );
    expect(over).toMatchObject({ outcome: "answered", answeredBy: "dev-user-001" });
  },
  TEST_TIMEOUT_MS,
);
