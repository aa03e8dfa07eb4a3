/**
 * Owns showing Concord as a library: no server, no agent, one program that drafts a booking, has it approved and
 * books it. Needs a Postgres (`DATABASE_URL`) and the hotel vendor (`HOTEL_VENDOR_URL`, `HOTEL_VENDOR_API_KEY`).
 */
import {
  type ConcordOptions,
  createConcord,
  encodeId,
  type Json,
  type JsonObject,
} from "@concert/concord";
import contracts from "../contracts/index.ts";

const TRAVELLER = {
  tenant: "library",
  user: "tessa",
  roles: ["finance_approvers"],
  permissions: ["book_travel"],
};
const STAY = { check_in: "2027-03-01", check_out: "2027-03-05", guests: 2 };
const PATIENCE_MS = 60_000;

/**
 * Books the dearest hotel of `city` and returns the confirmation. Throws when a step of it is refused. `engine` may
 * name another durable runtime than DBOS; nothing else changes.
 */
export async function bookDearest(
  databaseUrl: string,
  city: string,
  engine: Pick<ConcordOptions, "runtime"> = {},
): Promise<JsonObject> {
  const concord = createConcord({ databaseUrl, contracts, executorId: "library-1", ...engine });
  await concord.start();
  const run = async (taskName: string, payload: JsonObject): Promise<JsonObject> => {
    const traceId = crypto.randomUUID().replaceAll("-", "");
    const request = { taskName, payload, principal: TRAVELLER, traceId } as const;
    const { command } = await concord.commands.submit({ ...request, ingress: "user_request" });
    if (command.status === "waiting_for_approval")
      await approve(encodeId("command", command.commandId));
    const id = encodeId("command", command.commandId);
    const done = await concord.commands.settled(TRAVELLER, id, PATIENCE_MS);
    if (done.status === "succeeded") return done.result as JsonObject;
    throw new Error(`${taskName} is ${done.status}: ${done.error}`);
  };
  const approve = async (commandId: string) => {
    const { items } = await concord.approvals.list(TRAVELLER, { limit: 10, status: "pending" });
    const asked = items.find((one) => encodeId("command", one.commandId) === commandId);
    if (asked === undefined) throw new Error("nobody was asked");
    await concord.approvals.resolve({
      approvalId: encodeId("approval", asked.approvalId),
      decision: "approved",
      reason: "read and agreed",
      principal: TRAVELLER,
      traceId: crypto.randomUUID().replaceAll("-", ""),
    });
  };
  try {
    const found = await run("hotel.search", { city, ...STAY });
    const draft = await run("hotel_reservation.draft", {
      hotel_id: dearest(found["offers"]),
      ...STAY,
    });
    const draftId = draft["booking_draft_id"] ?? null;
    return await run("hotel_reservation.confirm", { booking_draft_id: draftId });
  } finally {
    await concord.stop();
  }
}

function dearest(offers: Json | undefined): string {
  const list = Array.isArray(offers) ? (offers as readonly JsonObject[]) : [];
  const [first] = [...list].sort((a, b) => Number(b["total_amount"]) - Number(a["total_amount"]));
  if (first === undefined) throw new Error("the vendor has no offer there");
  return String(first["hotel_id"]);
}
