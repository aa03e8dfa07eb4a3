/** Owns the proof that a command asks for what only a person knows, and that an agent's call waits for the answer. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentCall,
  type Command,
  encodeId,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import deals from "./support/deals.ts";
import {
  ANNA,
  EVE,
  FRED,
  type Harness,
  refusalOf,
  startHarness,
  TRACE,
} from "./support/harness.ts";

const usage = { inputTokens: 1, outputTokens: 1 };
const heard: ThinkRequest[] = [];
let proposal: Omit<AgentCall, "callId">;
let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    more: () => deals,
    agent: {
      think: async (request): Promise<Thought> => {
        heard.push(request);
        const first = request.stepIndex === 0;
        const calls = [{ callId: `c-${turns}`, ...proposal }];
        return first
          ? { kind: "moved", usage, move: { kind: "tool_calls", messageId: "m", calls } }
          : { kind: "moved", usage, move: { kind: "final", messageId: "m", text: "done" } };
      },
    },
  });
});
afterAll(() => h.stop());
beforeEach(() => {
  heard.length = 0;
});

let turns = 0;
const idOf = (command: Command) => encodeId("command", command.commandId);
/** A turn that proposes one call, until that call is a command that stopped moving. */
async function turnWith(toolName: string, args: AgentCall["arguments"]) {
  turns += 1;
  proposal = { toolName, arguments: args };
  const { command: turn } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: "dealer",
      instance_id: "i",
      session_id: "s",
      turn_id: `q-${turns}`,
      text: "deal",
      history: [],
    },
    principal: ANNA,
    ingress: "api_request",
    traceId: TRACE,
    idempotencyKey: `turn:q-${turns}`,
  });
  return turn;
}
const asked = async (turn: Command) => {
  const filter = { limit: 10, status: "open" as const, commandId: turn.commandId };
  const open = async () => (await h.concord.inputs.list(ANNA, filter)).items[0];
  await expect.poll(open, { timeout: 20_000 }).toBeDefined();
  const found = await open();
  if (found === undefined) throw new Error("nothing is asked");
  return found;
};
const answer = (question: Awaited<ReturnType<typeof asked>>, input: unknown, as = ANNA) =>
  h.concord.commands.provideInput(
    as,
    encodeId("command", question.commandId),
    input,
    encodeId("input", question.inputRequestId),
  );
const observed = () =>
  heard.flatMap(({ transcript }) => transcript.filter((entry) => entry.kind === "observation"));

describe("an agent's call", () => {
  test("POL-10 waits for what only the person knows, across a restart, and its answer is the call's result", async () => {
    const turn = await turnWith("deal_signed", { item: "ship", price: 3 });
    const question = await asked(turn);
    expect(question).toMatchObject({
      taskName: "deal_signed",
      requestedBy: "anna",
      status: "open",
      questions: [{ text: "Who signs for ship?", fields: ["signatory"] }],
      answerSchema: {
        required: ["signatory"],
        additionalProperties: false,
        properties: { signatory: { type: "string", minLength: 2, maxLength: 80 } },
      },
    });
    await h.restart();
    await answer(question, { signatory: "Ada" });
    expect((await h.settled(turn)).result).toMatchObject({ text: "done" });
    expect(observed()).toMatchObject([
      { status: "succeeded", result: { item: "ship", price: 3, signatory: "Ada" } },
    ]);
    const tool = heard[0]?.tools.find((one) => one.name === "deal_signed");
    expect(Object.keys(tool?.inputSchema["properties"] as object)).not.toContain("signatory");
  });

  test("what was asked is what may be answered, once, by whoever may", async () => {
    const turn = await turnWith("deal_signed", { item: "boat" });
    const question = await asked(turn);
    const told = async (input: unknown, as = ANNA) => {
      try {
        await answer(question, input, as);
        return undefined;
      } catch (error) {
        return error as { code: string; message: string };
      }
    };
    expect(await told({ signatory: "A" })).toMatchObject({
      code: "validation_error",
      message: expect.stringContaining("/signatory"),
    });
    expect(await told({ signatory: "Ada", price: 1 })).toMatchObject({ code: "validation_error" });
    expect(await told({})).toMatchObject({ code: "validation_error" });
    expect(await told({ signatory: "Ada" }, FRED)).toMatchObject({ code: "forbidden" });
    expect(await told({ signatory: "Ada" }, EVE)).toMatchObject({ code: "not_found" });
    expect((await asked(turn)).inputRequestId).toBe(question.inputRequestId);
    expect(await told({ signatory: "Ada" })).toBeUndefined();
    expect(await told({ signatory: "Ben" })).toMatchObject({ code: "illegal_transition" });
    expect((await h.settled(turn)).status).toBe("succeeded");
    expect(observed()).toMatchObject([{ result: { signatory: "Ada" } }]);
    expect((await h.concord.inputs.list(EVE, { limit: 10 })).items).toEqual([]);
    const { items } = await h.concord.inputs.list(ANNA, { limit: 1, commandId: turn.commandId });
    expect(items).toMatchObject([{ status: "answered", answeredBy: "anna" }]);
  });

  test("an agent that answers in the person's place is told to leave that out", async () => {
    const turn = await turnWith("deal_signed", { item: "ship", signatory: "Mallory" });
    await h.settled(turn);
    expect(observed()).toMatchObject([
      { status: "failed", error: { message: expect.stringContaining("Leave out signatory") } },
    ]);
  });

  test("a question that does not apply is not asked", async () => {
    const turn = await turnWith("deal_signed", { item: "pencil" });
    expect((await h.settled(turn)).status).toBe("succeeded");
    expect(observed()).toMatchObject([{ status: "succeeded", result: { item: "pencil" } }]);
  });

  test("POL-10 waits for what policy wants to know, if its tool says so", async () => {
    const turn = await turnWith("deal_waiting", { item: "ship" });
    const question = await asked(turn);
    expect(question.questions).toEqual([{ text: "say why: reason is missing", fields: [] }]);
    expect(question.answerSchema["properties"]).toHaveProperty("reason");
    await answer(question, { reason: "growth" });
    expect((await h.settled(turn)).status).toBe("succeeded");
    expect(observed()).toMatchObject([{ result: { reason: "growth" } }]);
  });

  test("POL-10 is told at once what policy wants to know, if its tool does not wait", async () => {
    const turn = await turnWith("deal_explained", { item: "ship" });
    await h.settled(turn);
    expect(observed()).toMatchObject([{ error: { class: "human_input_missing" } }]);
  });

  test("STM-11 nobody answers: the call expires, the agent is told and goes on", async () => {
    const turn = await turnWith("deal_signed", { item: "ship" });
    const question = await asked(turn);
    h.clock.aheadMs = 31 * 60_000;
    try {
      // The refusal is what finds out that the time is over.
      expect(await refusalOf(answer(question, { signatory: "Ada" }))).toBe("illegal_transition");
      expect((await h.settled(turn)).status).toBe("succeeded");
    } finally {
      h.clock.aheadMs = 0;
    }
    expect(observed()).toMatchObject([{ status: "expired" }]);
  });

  test("CAN-8 the turn is stopped: nobody is asked any more", async () => {
    const turn = await turnWith("deal_signed", { item: "ship" });
    const question = await asked(turn);
    await h.concord.commands.cancel(ANNA, idOf(turn));
    await h.settled(turn);
    expect(await refusalOf(answer(question, { signatory: "Ada" }))).toBe("illegal_transition");
    const { items } = await h.concord.inputs.list(ANNA, { limit: 1, commandId: turn.commandId });
    expect(items).toMatchObject([{ status: "cancelled" }]);
  });

  test("the person does not want to answer: the call is cancelled, once, and the agent reads it", async () => {
    const turn = await turnWith("deal_signed", { item: "ship" });
    const question = await asked(turn);
    const [commandId, id] = [
      encodeId("command", question.commandId),
      encodeId("input", question.inputRequestId),
    ];
    const dismiss = (as = ANNA) => h.concord.commands.dismissInput(as, commandId, id);
    expect(await refusalOf(dismiss(FRED))).toBe("forbidden");
    expect((await dismiss()).status).toBe("cancelled");
    expect(await refusalOf(dismiss())).toBe("illegal_transition");
    expect((await h.settled(turn)).status).toBe("succeeded");
    expect(observed()).toMatchObject([{ status: "cancelled" }]);
  });

  test("asks the person directly, and the answer is the result", async () => {
    const turn = await turnWith("ask_person", { question: "Red or blue?" });
    const question = await asked(turn);
    expect(question.questions).toEqual([{ text: "Red or blue?", fields: ["answer"] }]);
    await answer(question, { answer: "blue" });
    await h.settled(turn);
    expect(observed()).toMatchObject([{ status: "succeeded", result: { answer: "blue" } }]);
  });
});
