/** Taking back what another command did, asked for by an agent: under policies, by the declared way, noticed when it drifts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentMove,
  type Command,
  type Contracts,
  defineContracts,
  encodeId,
  type JsonObject,
  type Observation,
  permissionPolicy,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";
import { HOTEL, type Hotel, startHotel } from "./support/hotel.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import trips from "./support/trips.ts";

type Call = Extract<AgentMove, { kind: "tool_calls" }>["calls"][number];
const TRAVELLER = { ...ANNA, permissions: ["buy", "book_travel", "take_back"] };
const usage = { inputTokens: 1, outputTokens: 1 };
/** The next call, from what was seen so far; nothing more: the turn ends. */
let script: ((seen: readonly Observation[]) => Omit<Call, "callId"> | undefined)[] = [];
let last: readonly Observation[] = [];
const think = async ({ stepIndex, transcript }: ThinkRequest): Promise<Thought> => {
  last = transcript.flatMap((one) => (one.kind === "observation" ? [one] : []));
  const next = script[stepIndex]?.(last);
  const messageId = `m${stepIndex}`;
  const move: AgentMove =
    next === undefined
      ? { kind: "final", messageId, text: "done" }
      : { kind: "tool_calls", messageId, calls: [{ ...next, callId: `c${stepIndex}` }] };
  return { kind: "moved", usage, move };
};

const undoing = defineContracts((catalog) => {
  catalog.policy(permissionPolicy("may_take_back", "take_back"));
  catalog.task({
    name: "take_back",
    description: "Take back what a command did.",
    inputSchema: {
      type: "object",
      required: ["command_id"],
      additionalProperties: false,
      properties: { command_id: { type: "string" } },
    },
    policies: ["may_take_back"],
    steps: [
      { kind: "take_back", id: "back", command: ({ payload }) => String(payload["command_id"]) },
    ],
    result: ({ results }) => results["back"] as JsonObject,
    tool: { name: "take_back" },
  });
});

let h: Harness;
let hotel: Hotel;
let ledger: Ledger;
beforeAll(async () => {
  [hotel, ledger] = await Promise.all([startHotel(), startLedger()]);
  Object.assign(process.env, hotel.env, { TEST_LEDGER_URL: ledger.url });
  const { default: travel } = (await import(new URL("contracts/index.ts", HOTEL).href)) as {
    default: Contracts;
  };
  const all = defineContracts((catalog) => {
    for (const one of [travel, trips, undoing]) one.register(catalog);
  });
  h = await startHarness({ more: () => all, agent: { think } });
});
afterAll(async () => {
  await h.stop();
  await hotel.stop();
  await ledger.stop();
});
beforeEach(() => {
  script = [];
});

const idOf = (command: Command) => encodeId("command", command.commandId);
const submit = async (taskName: string, payload: JsonObject, principal = TRAVELLER) => {
  const request = { taskName, payload, principal, traceId: TRACE } as const;
  return (await h.concord.commands.submit({ ...request, ingress: "user_request" })).command;
};
const run = async (taskName: string, payload: JsonObject, as = TRAVELLER) =>
  h.settled(await submit(taskName, payload, as));
let turns = 0;
async function turn(...calls: typeof script) {
  script = calls;
  turns += 1;
  const talk = { instance_id: "i", session_id: "s", turn_id: `t${turns}`, text: "go", history: [] };
  return run("agent.turn", { agent_type: "concierge", ...talk });
}
const takeBack = (command: Command) => () => ({
  toolName: "take_back",
  arguments: { command_id: idOf(command) },
});

const resultOf = (one: Observation | undefined) => (one?.result ?? {}) as JsonObject;

describe("an agent takes a booking back", () => {
  test("CMP-17 EX-15 it books, and cancels with hotel_cancel: a command of its own, and the room is free", async () => {
    const stay = { check_in: "2027-05-01", check_out: "2027-05-02", guests: 1 };
    const field = (seen: readonly Observation[], name: string) =>
      String(resultOf(seen.at(-1))[name]);
    await turn(
      () => ({
        toolName: "hotel_draft",
        arguments: { hotel_id: "htl_lisbon_grand_hotel_miramar", ...stay },
      }),
      (seen) => ({
        toolName: "hotel_confirm",
        arguments: { booking_draft_id: field(seen, "booking_draft_id") },
      }),
      (seen) => ({
        toolName: "hotel_cancel",
        arguments: { artifact_id: field(seen, "artifact_id") },
      }),
    );
    expect(last.map(({ toolName, status }) => [toolName, status])).toEqual([
      ["hotel_draft", "succeeded"],
      // As it now is: what it did was undone.
      ["hotel_confirm", "cancelled"],
      ["hotel_cancel", "succeeded"],
    ]);
    expect(last[2]?.result).toMatchObject({ status: "cancelled" });
    const [drafted, confirmed] = last;
    const draft = String(resultOf(drafted)["booking_draft_id"]);
    expect(await hotel.statuses(`book_hotel:${draft}`)).toEqual(["cancelled"]);
    const booked = await h.concord.commands.get(
      ANNA,
      encodeId("command", confirmed?.commandId ?? ("" as never)),
    );
    expect(booked.status).toBe("cancelled");
    const [act] = await h.rows(
      "SELECT status, requested_by FROM concord.commands WHERE command_type = 'cancel_command'",
    );
    expect(act).toEqual({ status: "succeeded", requested_by: "anna" });
  });
});

describe("what undoes is what was declared", () => {
  test("CMP-17 three effects of a trip are undone in order, and the agent hears of it when it is over", async () => {
    const trip = await run("trip", { trip_id: "agents" });
    await turn(takeBack(trip));
    expect(last[0]).toMatchObject({ status: "succeeded", result: { status: "cancelled" } });
    const made = [...ledger.entries.values()].filter(({ key }) => key.endsWith(":agents"));
    expect(made.map(({ undone }) => undone)).toEqual([true, true, true]);
    // Once more: it is taken back already, and nothing happens.
    await turn(takeBack(trip));
    expect(last[0]).toMatchObject({ status: "succeeded", result: { status: "cancelled" } });
  });

  test("CMP-17 a compensation that nobody declared is rejected, and nothing is called", async () => {
    const bought = await run("buy", { order_id: "kept", item: "lamp", amount: 5 });
    const final = await run("trip_final", { trip_id: "stone" });
    const requests = h.vendor.requests.length;
    for (const command of [bought, final]) {
      await turn(takeBack(command));
      expect(last[0]?.error?.message).toMatch(/nothing that undoes it is declared/);
      expect((await h.concord.commands.get(ANNA, idOf(command))).status).toBe("succeeded");
    }
    expect(h.vendor.requests.length).toBe(requests);
    expect(ledger.entries.get("stone:stone")?.undone).toBe(false);
  });

  test("CMP-17 an undoing that emits what it did not promise is noticed as drift", async () => {
    const credited = await run("trip_credited", { trip_id: "drifted" });
    await turn(takeBack(credited));
    const drift = await h.rows<{ payload: object }>(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = 'compensation_drift'",
      [credited.commandId],
    );
    expect(drift[0]?.payload).toMatchObject({ drift: { unexpected: ["vendor.credit"] } });
  });

  test("CMP-17 too late is too late for agents as well", async () => {
    const trip = await run("trip", { trip_id: "late" });
    h.clock.aheadMs += 61 * 60_000;
    await turn(takeBack(trip));
    h.clock.aheadMs -= 61 * 60_000;
    expect(last[0]?.error).toMatchObject({ class: "policy_denied" });
    expect(last[0]?.error?.message).toMatch(/^It could be cancelled until/);
    expect(ledger.entries.get("flight:late")?.undone).toBe(false);
  });
});

describe("whose it is", () => {
  test("CMP-17 G7 policy decides first; what is not theirs, or contains the call itself, is not there", async () => {
    const trip = await run("trip", { trip_id: "hers" });
    const denied = await run(
      "take_back",
      { command_id: idOf(trip) },
      { ...TRAVELLER, permissions: [] },
    );
    expect(denied.errorClass).toBe("policy_denied");
    const boris = { ...TRAVELLER, user: "boris" };
    const strange = await run("take_back", { command_id: idOf(trip) }, boris);
    const eve = { ...TRAVELLER, tenant: "t2" };
    const foreign = await run("take_back", { command_id: idOf(trip) }, eve);
    for (const one of [strange, foreign]) {
      expect(one.error).toBe("there is no command of that id to take back");
    }
    let own = "";
    await turn(
      () => ({ toolName: "price", arguments: { order_id: "x", item: "lamp", amount: 1 } }),
      (seen) => {
        own = String(seen[0]?.commandId);
        return { toolName: "take_back", arguments: { command_id: "cmd_nothing" } };
      },
    );
    const [row] = await h.rows<{ root_command_id: string }>(
      "SELECT root_command_id FROM concord.commands WHERE command_id = $1",
      [own],
    );
    await turn(() => ({
      toolName: "take_back",
      arguments: { command_id: encodeId("command", row?.root_command_id as never) },
    }));
    expect((await h.concord.commands.get(ANNA, idOf(trip))).status).toBe("succeeded");
  });

  test("CMP-17 an owner takes back what somebody else did; work under way is stopped and then undone", async () => {
    const trip = await run("trip", { trip_id: "owned" });
    const olga = { ...TRAVELLER, user: "olga", roles: ["owner"] };
    const done = await run("take_back", { command_id: idOf(trip) }, olga);
    expect(done.result).toMatchObject({ status: "cancelled" });
    const held = await submit("buy", { order_id: "asked", item: "lamp", amount: 900 });
    const stopped = await run("take_back", { command_id: idOf(held) });
    expect(stopped.result).toMatchObject({ status: "cancelled" });
  });
});
