/**
 * Bad input at every door: a clear, stable code, a process that lives on, and nothing half-written. After
 * each test the same processes still run and Concord holds as many commands as before.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { codeOf, concordOf, itemsOf, person } from "./support/concord.ts";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import {
  approvalOf,
  approve,
  askForBooking,
  completionOf,
  expectWhole,
} from "./support/journey.ts";
import {
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

const STAY = { city: "Lisbon", check_in: "2027-03-03", check_out: "2027-03-05", guests: 2 };
const FRAME_BYTES_MAX = 1_048_576;

let stack: TestStack;
let witness: GatewayWitness;
let concord: ReturnType<typeof concordOf>;
let pidsBefore: ReturnType<TestStack["pids"]>;
let commandsBefore: number;

beforeAll(async () => {
  stack = await startTestStack();
  witness = new GatewayWitness(stack.urls.diminuendo);
  await witness.connect();
  concord = concordOf(stack, person(witness.identity.tenantId, witness.identity.userId));
}, START_TIMEOUT_MS);

afterAll(async () => {
  witness?.close();
  await stack?.dispose();
}, START_TIMEOUT_MS);

beforeEach(async () => {
  pidsBefore = stack.pids();
  commandsBefore = await countCommands();
});

afterEach(() => {
  expect(stack.pids()).toEqual(pidsBefore);
});

async function countCommands(): Promise<number> {
  let count = 0;
  let cursor: unknown = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(String(cursor))}`;
    const page = await concord(`/commands?limit=100${query}`);
    expect(page.status).toBe(200);
    count += itemsOf(page).length;
    cursor = page.body["next_cursor"] ?? null;
  } while (cursor !== null);
  return count;
}

const submit = (body: unknown, headers: Record<string, string | undefined> = {}) =>
  concord("/commands", { method: "POST", body, headers });

async function expectRefused(
  answer: Awaited<ReturnType<typeof concord>>,
  status: number,
  code: string,
): Promise<void> {
  expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  expect(String((answer.body["error"] as { message: string }).message).length).toBeGreaterThan(10);
  expect(await countCommands()).toBe(commandsBefore);
}

describe("the gateway's socket", () => {
  const refusal = async (text: string) => {
    const error = witness.nextFrame(({ type }) => type === "error");
    witness.sendText(text);
    return (await error)["code"];
  };

  test("a frame that is not JSON is INVALID_JSON, and the socket goes on", async () => {
    expect(await refusal("{not json")).toBe("INVALID_JSON");
    expect((await witness.ask({ type: "ping" })).type).toBe("pong");
  });

  test("an unknown message and a message without its fields are INVALID_MESSAGE", async () => {
    expect(await refusal(JSON.stringify({ type: "make_coffee" }))).toBe("INVALID_MESSAGE");
    expect(await refusal(JSON.stringify({ type: "run_turn" }))).toBe("INVALID_MESSAGE");
    expect(await refusal(JSON.stringify(["ping"]))).toBe("INVALID_MESSAGE");
    expect((await witness.ask({ type: "ping" })).type).toBe("pong");
  });

  test("a turn in a session that does not exist is SessionNotFound", async () => {
    const answer = await witness.runTurn("sess_00000000000000000000000000000000", "hello");
    expect(answer["code"]).toBe("SessionNotFound");
  });

  test("a frame over the limit is refused and the gateway serves others", async () => {
    const { url, ended } = await sendOversize();
    expect(await ended).toMatch(/^(MESSAGE_TOO_LARGE|closed 1009)/);
    expect((await fetch(`${url}/api/health`)).status).toBe(200);
    expect((await witness.ask({ type: "ping" })).type).toBe("pong");
  });

  async function sendOversize() {
    const url = stack.urls.diminuendo;
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws`);
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
    const ended = new Promise<string>((resolve) => {
      socket.onclose = ({ code }) => resolve(`closed ${code}`);
      socket.onmessage = ({ data }) => {
        const { type, code } = JSON.parse(String(data)) as { type: string; code?: string };
        if (type === "error") resolve(String(code));
      };
    });
    socket.send(JSON.stringify({ type: "ping", padding: "x".repeat(FRAME_BYTES_MAX + 1) }));
    return { url, ended };
  }
});

describe("Concord's door", () => {
  test("no key, a wrong key and no person are 401", async () => {
    const body = { task_name: "hotel.search", payload: STAY };
    await expectRefused(await submit(body, { authorization: undefined }), 401, "unauthorized");
    await expectRefused(await submit(body, { authorization: "Bearer wrong" }), 401, "unauthorized");
    await expectRefused(await submit(body, { "concert-actor": undefined }), 401, "invalid_actor");
    await expectRefused(await submit(body, { "concert-actor": "forged" }), 401, "invalid_actor");
  });

  test("a task nobody registered is unknown_task", async () => {
    await expectRefused(
      await submit({ task_name: "hotel.burn", payload: {} }),
      404,
      "unknown_task",
    );
  });

  test("a payload against its schema is validation_error with details", async () => {
    const answer = await submit({ task_name: "hotel.search", payload: { ...STAY, guests: "two" } });
    await expectRefused(answer, 400, "validation_error");
    expect(JSON.stringify((answer.body["error"] as { details: unknown }).details)).toContain(
      "guests",
    );
  });

  test("a body that is not JSON, and one without its fields", async () => {
    await expectRefused(await submit("{not json"), 400, "invalid_json");
    await expectRefused(await submit({ payload: {} }), 400, "invalid_request");
  });

  test("one idempotency key with another body is idempotency_conflict, with the same body a replay", async () => {
    const body = { task_name: "hotel.search", payload: STAY, idempotency_key: "search-once" };
    const first = await submit(body);
    expect([200, 202]).toContain(first.status);
    commandsBefore = await countCommands();
    const again = await submit(body);
    expect([again.status, again.body["replayed"]]).toEqual([200, true]);
    expect(again.body["command_id"]).toBe(first.body["command_id"]);
    const other = await submit({ ...body, payload: { ...STAY, guests: 1 } });
    await expectRefused(other, 409, "idempotency_conflict");
  });

  test("another tenant's command is not found", async () => {
    const mine = await submit({ task_name: "hotel.search", payload: STAY });
    commandsBefore = await countCommands();
    const stranger = concordOf(stack, person("another-tenant", "stranger"));
    await expectRefused(
      await stranger(`/commands/${String(mine.body["command_id"])}`),
      404,
      "not_found",
    );
  });
});

test(
  "a second decision on an approval is refused, and changes nothing",
  async () => {
    const sessionId = await askForBooking(witness);
    const { requestId } = await approvalOf(witness);
    await approve(witness, sessionId);
    await completionOf(witness);
    await expectWhole(stack, witness, sessionId);
    const bookings = await vendorOf(stack).bookings();
    commandsBefore = await countCommands();
    const again = await concord(`/approvals/${String(requestId)}/resolve`, {
      method: "POST",
      body: { decision: "rejected" },
    });
    expect([again.status, codeOf(again)]).toEqual([409, "approval_already_decided"]);
    // Deciding is a command of its own: the refused attempt is on record, and is all that is new.
    const attempts = itemsOf(await concord("/commands?task_name=resolve_approval"));
    expect(attempts.map(({ status }) => status).sort()).toEqual(["failed", "succeeded"]);
    expect(await countCommands()).toBe(commandsBefore + 1);
    const late = await witness.answer(sessionId, String(requestId), "rejected");
    expect(late["code"]).toBe("ApprovalAlreadyDecided");
    const approval = await concord(`/approvals/${String(requestId)}`);
    expect(approval.body["decision"]).toBe("approved");
    expect(await vendorOf(stack).bookings()).toEqual(bookings);
  },
  TEST_TIMEOUT_MS,
);
