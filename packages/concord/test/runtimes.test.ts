/**
 * The same domain on every durable runtime (RUN-5): no line of core, domain or contracts knows which one it is.
 * DBOS is proved by all the other files; here the others walk the same ways.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordOptions, encodeId } from "../src/index.ts";
import { memoryOverPostgres } from "../src/runtime/memory/index.ts";
import { createRestateRuntime } from "../src/runtime/restate/index.ts";
import {
  findRestateServer,
  freePort,
  startTestRestate,
  type TestRestate,
} from "../src/testing/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import { startReceiver } from "./support/receiver.ts";
import trips from "./support/trips.ts";

interface Engine {
  readonly name: string;
  readonly isThere: boolean;
  begin(): Promise<NonNullable<ConcordOptions["runtime"]>>;
  end(): Promise<void>;
}

let restate: TestRestate | undefined;
const engines: readonly Engine[] = [
  {
    name: "in memory over Postgres",
    isThere: true,
    begin: async () => memoryOverPostgres,
    end: async () => undefined,
  },
  {
    name: "Restate",
    isThere: findRestateServer() !== undefined,
    begin: async () => {
      restate = await startTestRestate();
      const { ingressUrl, adminUrl } = restate;
      const listen = { host: "127.0.0.1", port: await freePort() };
      return ({ pool, log }) => createRestateRuntime({ ingressUrl, adminUrl, listen, pool, log });
    },
    end: async () => restate?.stop(),
  },
];

for (const engine of engines) {
  if (!engine.isThere) process.stderr.write(`SKIPPED: ${engine.name} is not installed here\n`);
  describe.skipIf(!engine.isThere)(engine.name, () => {
    let harness: Harness;
    let ledger: Ledger;
    beforeAll(async () => {
      ledger = await startLedger();
      process.env["TEST_LEDGER_URL"] = ledger.url;
      process.env["CONCORD_WEBHOOK_T1__RUNTIMES"] =
        `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
      harness = await startHarness({
        runtime: await engine.begin(),
        more: () => trips,
        webhooks: {
          privateRanges: ["127.0.0.1/32"],
          plainHttp: true,
          retry: { attemptsMax: 3, waitsSeconds: [0.05] },
        },
      });
    });
    afterAll(async () => {
      await harness?.stop();
      await ledger?.stop();
      await engine.end();
    });

    const decide = async (approvalId: string, decision: "approved" | "rejected") =>
      harness.concord.approvals.resolve({ approvalId, decision, principal: FRED, traceId: TRACE });

    test("RUN-5 EX-24 an allowed command runs once and leaves its whole story", async () => {
      const { command } = await harness.submit();
      expect(await harness.settled(command)).toMatchObject({ status: "succeeded" });
      expect(await harness.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
      expect(await harness.eventTypes(command)).toEqual(
        expect.arrayContaining(["command_created", "policy_evaluated", "task_succeeded"]),
      );
    });

    test("RUN-5 APR-6 an approval that pends across a restart is decided and runs once", async () => {
      const { command } = await harness.submit({ amount: 900 });
      await harness.restart();
      const approval = await harness.approvalOf(command);
      await decide(encodeId("approval", approval.approvalId), "approved");
      expect(await harness.settled(command)).toMatchObject({ status: "succeeded" });
      expect(await harness.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
    });

    test("RUN-5 a webhook leaves, and is tried again after a failure", async () => {
      const receiver = await startReceiver();
      receiver.answers.push(500);
      const principal = { ...ANNA, roles: ["owner"] };
      const { endpointId } = await harness.concord.webhookEndpoints.create(
        { principal, traceId: TRACE },
        {
          url: receiver.url,
          secretRef: "env:CONCORD_WEBHOOK_T1__RUNTIMES",
          eventTypes: ["artifact_created"],
        },
      );
      const { command } = await harness.submit();
      await harness.settled(command);
      const filter = { limit: 5, endpointId };
      const seen = async () =>
        (await harness.concord.webhookEndpoints.deliveries(principal, filter)).items.map(
          ({ status, attempts, responseCode }) => [status, attempts, responseCode],
        );
      await expect.poll(seen, { timeout: 30_000 }).toEqual([["delivered", 2, 200]]);
      expect(new Set(receiver.received.map((one) => one.headers["webhook-id"])).size).toBe(1);
      await receiver.stop();
    });

    test("RUN-5 EX-14 an error before the vendor commits, then a dropped answer: one purchase", async () => {
      harness.vendor.faults.push("error_before", "drop_after");
      const before = harness.vendor.purchases.size;
      const { command } = await harness.submit();
      expect(await harness.settled(command)).toMatchObject({ status: "succeeded" });
      expect(harness.vendor.purchases.size).toBe(before + 1);
    });

    test("RUN-5 CMD-13 twenty submissions at once with one key are one command and one purchase", async () => {
      const before = harness.vendor.purchases.size;
      const payload = { order_id: "once" };
      const all = await Promise.all(
        Array.from({ length: 20 }, () => harness.submit(payload, { key: "once" })),
      );
      expect(new Set(all.map(({ command }) => command.commandId)).size).toBe(1);
      const [first] = all;
      if (first === undefined) throw new Error("nothing was submitted");
      expect(await harness.settled(first.command)).toMatchObject({ status: "succeeded" });
      expect(harness.vendor.purchases.size).toBe(before + 1);
    });

    test("RUN-5 CAN-7 APR-15 a waiting command is cancelled with its question", async () => {
      const { command } = await harness.submit({ amount: 900 });
      const id = encodeId("command", command.commandId);
      await harness.concord.commands.cancel(ANNA, id, "changed my mind");
      expect(await harness.settled(command)).toMatchObject({ status: "cancelled" });
      expect((await harness.approvalOf(command)).status).toBe("cancelled");
    });

    test("RUN-11 STM-12 a command whose run is lost is found by its row and finished", async () => {
      const { command } = await harness.submit({ amount: 900 });
      await harness.restart(async () => {
        await harness.rows(
          "UPDATE concord.commands SET dbos_workflow_id = $2 WHERE command_id = $1",
          [command.commandId, `command:lost-${command.commandId}`],
        );
      });
      const approval = await harness.approvalOf(command);
      await decide(encodeId("approval", approval.approvalId), "approved");
      expect(await harness.settled(command)).toMatchObject({ status: "succeeded" });
      expect(await harness.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
    });

    const travel = async (tripId: string) => {
      const { command } = await harness.concord.commands.submit({
        taskName: "trip",
        payload: { trip_id: tripId },
        principal: ANNA,
        ingress: "user_request",
        traceId: TRACE,
      });
      expect(await harness.settled(command)).toMatchObject({ status: "succeeded" });
      return { command, id: encodeId("command", command.commandId) };
    };
    const statusOf = async (id: string) => (await harness.concord.commands.get(ANNA, id)).status;

    test("RUN-5 CMP-12 a success is taken back in order, each effect once, with a restart in between", async () => {
      ledger.undone.splice(0);
      ledger.faults.set("undo flight", ["held"]);
      const { id } = await travel("taken-back");
      await harness.concord.commands.cancel(ANNA, id, "changed my mind");
      await expect.poll(ledger.heldCount, { timeout: 20_000 }).toBe(1);
      // The chain is in the middle: what was undone is not undone again, what was cut off is found out.
      await harness.restart(async () => ledger.letGo());
      await expect.poll(() => statusOf(id), { timeout: 40_000 }).toBe("cancelled");
      expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
    });

    test("RUN-5 CMP-14 CMP-15 a chain that halts is an incident; once somebody says so it goes on", async () => {
      ledger.undone.splice(0);
      ledger.faults.set("undo flight", ["refuse"]);
      const { command, id } = await travel("halted");
      await harness.concord.commands.cancel(ANNA, id, "changed my mind");
      await expect.poll(() => statusOf(id), { timeout: 40_000 }).toBe("failed");
      const principal = { ...ANNA, user: "olga", roles: ["owner"] };
      const filter = { limit: 5, status: "open", commandId: command.commandId };
      const { items } = await harness.concord.incidents.list(principal, filter);
      expect(items).toMatchObject([{ kind: "compensation_exhausted" }]);
      await harness.concord.incidents.act({
        incidentId: encodeId("incident", items[0]?.incidentId ?? ("" as never)),
        action: "retry",
        principal,
        traceId: TRACE,
      });
      await expect.poll(() => statusOf(id), { timeout: 40_000 }).toBe("cancelled");
      expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
    });

    test("RUN-5 a webhook that nobody takes is given up, and delivered again when somebody asks", async () => {
      const receiver = await startReceiver();
      receiver.answers.push(500, 500, 500);
      const principal = { ...ANNA, roles: ["owner"] };
      const service = harness.concord.webhookEndpoints;
      const by = { principal, traceId: TRACE };
      const { endpointId } = await service.create(by, {
        url: receiver.url,
        secretRef: "env:CONCORD_WEBHOOK_T1__RUNTIMES",
        eventTypes: ["artifact_created"],
      });
      const { command } = await harness.submit();
      await harness.settled(command);
      const seen = async () =>
        (await service.deliveries(principal, { limit: 5, endpointId })).items.map(
          ({ status, attempts }) => [status, attempts],
        );
      await expect.poll(seen, { timeout: 30_000 }).toEqual([["failed", 3]]);
      const [delivery] = (await service.deliveries(principal, { limit: 5, endpointId })).items;
      await service.redeliver(by, encodeId("delivery", delivery?.deliveryId ?? ("" as never)));
      await expect.poll(async () => (await seen())[0]?.[0], { timeout: 30_000 }).toBe("delivered");
      expect(new Set(receiver.received.map((one) => one.headers["webhook-id"])).size).toBe(1);
      await receiver.stop();
    });

    test("RUN-17 why a command is not moving is told from the same words", async () => {
      const { command } = await harness.submit({ amount: 900 });
      const id = encodeId("command", command.commandId);
      const { reasons } = await harness.concord.explain(ANNA, id);
      expect(reasons.map((one) => one.kind)).toContain("person");
    });
  });
}
