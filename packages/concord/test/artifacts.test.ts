/** What lasts of a command: what it has to be, where it lies, its versions, where it comes from, how long it is current. */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import {
  type AgentMove,
  type Command,
  ContractFailure,
  defineContracts,
  encodeId,
  type JsonObject,
  type Principal,
} from "../src/index.ts";
import { createPgStore } from "../src/postgres/store.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const DAY_MS = 86_400_000;
const OLGA: Principal = { ...ANNA, user: "olga", roles: ["owner", "operator"] };
const text = (value: unknown) => (typeof value === "string" ? value : undefined);
const inputSchema = {
  type: "object",
  properties: {
    text: { type: "string" },
    size: { type: "integer" },
    location: { type: "string" },
    of: { type: "string" },
  },
} as const;

const contracts = defineContracts((catalog) => {
  catalog.artifactType({
    name: "minutes",
    description: "What was said.",
    contentSchema: { type: "object", required: ["text"] },
    retentionDays: 90,
  });
  catalog.artifactType({ name: "memo", description: "For ever, and whatever it holds." });
  const write = {
    description: "Write it down.",
    inputSchema,
    policies: ["anyone"],
    result: ({ results }: { results: JsonObject }) => ({ written: results["write"] ?? null }),
  };
  const step = {
    kind: "artifact",
    id: "write",
    title: ({ payload }: { payload: JsonObject }) => String(payload["text"] ?? "untitled"),
    content: ({ payload }: { payload: JsonObject }): JsonObject => ({
      ...(payload["text"] === undefined ? {} : { text: payload["text"] }),
      ...(payload["size"] === undefined ? {} : { body: "x".repeat(Number(payload["size"])) }),
    }),
    location: ({ payload }: { payload: JsonObject }) => text(payload["location"]) as string,
    replaces: ({ payload }: { payload: JsonObject }) => text(payload["of"]),
  } as const;
  for (const artifactType of ["minutes", "memo"]) {
    const name = `write_${artifactType}`;
    catalog.task({ ...write, name, steps: [{ ...step, artifactType }], tool: { name } });
  }
  catalog.task({
    ...write,
    name: "summarise",
    gatherFacts: async (payload, read) => {
      const found = await read.artifact(String(payload["of"]));
      if (found === undefined) throw new ContractFailure("validation_error", "no such minutes");
      return found.content;
    },
    steps: [
      {
        kind: "connector",
        id: "ask",
        connector: "shop",
        operation: "price",
        input: () => ({ item: "ink", amount: 1 }),
      },
      {
        kind: "artifact",
        id: "write",
        artifactType: "report",
        dependsOn: ["ask"],
        title: () => "Summary",
        content: ({ facts }) => facts,
      },
    ],
  });
});

let h: Harness;
let move: AgentMove;
beforeAll(async () => {
  const think = async ({ stepIndex }: { stepIndex: number }) => ({
    kind: "moved" as const,
    usage: { inputTokens: 1, outputTokens: 1 },
    move: stepIndex === 0 ? move : ({ kind: "final", messageId: "m", text: "done" } as const),
  });
  h = await startHarness({ more: () => contracts, agent: { think } });
});
afterAll(() => h.stop());

const run = async (taskName: string, payload: JsonObject, as: Principal = ANNA) => {
  const { command } = await h.concord.commands.submit({
    taskName,
    payload,
    principal: as,
    ingress: "user_request",
    traceId: TRACE,
  });
  return h.settled(command);
};
const idIn = (command: Command) =>
  (command.result as { written: { artifact_id: string } }).written.artifact_id;
const written = async (taskName: string, payload: JsonObject) => {
  const done = await run(taskName, payload);
  expect([done.status, done.error]).toEqual(["succeeded", null]);
  return h.concord.artifacts.get(ANNA, idIn(done));
};
const outside = (artifact: { readonly artifactId: string }) =>
  encodeId("artifact", artifact.artifactId);

describe("what it has to be", () => {
  test("ART-2 ART-3 what fits its type's schema is validated, what has none is created, what does not fit is none", async () => {
    expect((await written("write_minutes", { text: "We met." })).status).toBe("validated");
    expect((await written("write_memo", {})).status).toBe("created");
    const failed = await run("write_minutes", { size: 3 });
    expect([failed.status, failed.errorClass]).toEqual(["failed", "validation_error"]);
    expect(failed.error).toContain("not what minutes promises");
    const rows = await h.rows("SELECT 1 FROM concord.artifacts WHERE command_id = $1", [
      failed.commandId,
    ]);
    expect(rows).toEqual([]);
  });

  test("ART-3 storage makes no move outside the table, and none from where it no longer is", async () => {
    const nobody = { start: async () => {}, wake: async () => {} };
    const store = createPgStore(
      h.pool,
      () => crypto.randomUUID(),
      () => nobody as never,
    );
    const { artifactId } = await written("write_memo", {});
    const to = (from: "created" | "archived", end: "published" | "archived") =>
      store.transaction((tx) => tx.artifacts.move(artifactId, from, end));
    await expect(to("created", "published")).rejects.toThrow("never moves created to published");
    await expect(to("archived", "published")).rejects.toThrow("never moves");
    expect([await to("created", "archived"), await to("created", "archived")]).toEqual([
      true,
      false,
    ]);
    expect((await h.concord.artifacts.get(ANNA, encodeId("artifact", artifactId))).status).toBe(
      "archived",
    );
  });

  test("ART-4 a large body is refused within the row and kept by reference, and a reference holds no secret", async () => {
    const large = await run("write_memo", { size: 262_144 });
    expect([large.status, large.errorClass]).toEqual(["failed", "malformed_payload"]);
    expect(large.error).toContain("say its location");
    const location = "s3://minutes/2027/05.parquet";
    expect(await written("write_memo", { location })).toMatchObject({ location, content: {} });
    for (const wrong of ["minutes.txt", "s3://key:secret@minutes/1", "javascript:alert(1)", "x"]) {
      const refused = await run("write_memo", { location: wrong });
      expect([wrong, refused.status, refused.errorClass]).toEqual([
        wrong,
        "failed",
        "malformed_payload",
      ]);
      expect(refused.error).not.toContain("secret");
    }
  });
});

describe("versions", () => {
  test("ART-7 a change is a new version of its own; the one before stays as it was, and readable", async () => {
    const first = await written("write_minutes", { text: "Draft" });
    const second = await written("write_minutes", { text: "Final", of: outside(first) });
    expect([first.version, first.parentArtifactId]).toEqual([1, null]);
    expect([second.version, second.parentArtifactId]).toEqual([2, first.artifactId]);
    expect(await h.concord.artifacts.get(ANNA, outside(first))).toEqual(first);
    const events = await h.rows<{ payload: JsonObject }>(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = 'artifact_created'",
      [second.commandId],
    );
    expect(events[0]?.payload).toMatchObject({ version: 2, replaces: outside(first) });
  });

  test("ART-7 of two who change the same version one is told to read again; another type or tenant is not there", async () => {
    const first = await written("write_minutes", { text: "Draft" });
    const of = outside(first);
    const both = await Promise.all([
      run("write_minutes", { text: "mine", of }),
      run("write_minutes", { text: "yours", of }),
    ]);
    expect(both.map((one) => one.status).sort()).toEqual(["failed", "succeeded"]);
    expect(both.find((one) => one.status === "failed")?.error).toContain("newer version already");
    const memo = await run("write_memo", { of });
    expect([memo.status, memo.errorClass]).toEqual(["failed", "validation_error"]);
    const theirs = await run("write_minutes", { text: "theirs", of }, EVE);
    expect([theirs.status, theirs.errorClass]).toEqual(["failed", "validation_error"]);
  });
});

describe("where it comes from", () => {
  test("ART-5 upstream its command, the agent's turn, the calls and what was read; downstream who read it and what came of it", async () => {
    move = {
      kind: "tool_calls",
      messageId: "m",
      calls: [{ callId: "c", toolName: "write_minutes", arguments: { text: "By an agent" } }],
    };
    const turn = await run("agent.turn", {
      agent_type: "scribe",
      instance_id: "i",
      session_id: "s",
      turn_id: "t",
      text: "write",
      history: [],
    });
    const [child] = await h.rows<{ artifact_id: string }>(
      "SELECT artifact_id FROM concord.artifacts JOIN concord.commands c USING (command_id) WHERE c.parent_command_id = $1",
      [turn.commandId],
    );
    const minutes = await h.concord.artifacts.get(
      ANNA,
      encodeId("artifact", child?.artifact_id ?? ""),
    );
    const next = await written("write_minutes", { text: "Corrected", of: outside(minutes) });
    const report = await written("summarise", { of: outside(minutes) });
    const operatorKeys = [
      parseOperatorKey("anna=t1:anna::"),
      parseOperatorKey("eve=t2:eve:owner:"),
    ];
    const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    const lineage = async (of: { artifactId: string }, key = "anna") => {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await app.request(`/artifacts/${outside(of)}/lineage`, { headers });
      return { status: answer.status, body: (await answer.json()) as JsonObject };
    };
    const reference = (of: typeof report) => ({
      artifact_id: outside(of),
      artifact_type: of.artifactType,
      version: of.version,
    });
    const command = (of: typeof report, task_name: string) => ({
      command_id: encodeId("command", of.commandId),
      task_name,
    });
    expect((await lineage(minutes)).body).toEqual({
      artifact_id: outside(minutes),
      upstream: {
        command: command(minutes, "write_minutes"),
        turn: {
          command_id: encodeId("command", turn.commandId),
          task_name: "agent.turn",
          agent_type: "scribe",
        },
        calls: [],
        artifacts: [],
      },
      downstream: {
        commands: [command(report, "summarise")],
        artifacts: [reference(next), reference(report)],
      },
    });
    expect((await lineage(report)).body).toMatchObject({
      upstream: {
        command: command(report, "summarise"),
        turn: null,
        calls: [{ connector: "shop", operation: "price", step_id: "ask" }],
        artifacts: [reference(minutes)],
      },
      downstream: { commands: [], artifacts: [] },
    });
    expect((await lineage(next)).body).toMatchObject({
      upstream: { artifacts: [reference(minutes)] },
    });
    expect((await lineage(minutes, "eve")).status).toBe(404);
    expect(await refusalOf(h.concord.artifacts.lineage(EVE, outside(minutes)))).toBe("not_found");
  });
});

describe("how long it is current", () => {
  test("ART-11 after its time a scheduled command archives it, once; it stays readable, and others stay current", async () => {
    const minutes = await written("write_minutes", { text: "Old" });
    const memo = await written("write_memo", {});
    const archived = async () =>
      (
        await h.rows<{ payload: JsonObject; actor: string }>(
          "SELECT payload, actor FROM concord.domain_events WHERE command_id = $1 AND event_type = 'artifact_archived'",
          [minutes.commandId],
        )
      ).map(({ payload, actor }) => ({ ...payload, actor }));
    const tick = async () => {
      const count = async () =>
        (
          await h.rows(
            "SELECT 1 FROM concord.commands WHERE task_name = 'archive_artifacts' AND status = 'succeeded'",
          )
        ).length;
      const before = await count();
      await h.concord.schedules.trigger(OLGA, "archive_old_artifacts", TRACE);
      return { before, count };
    };
    const status = async (of: typeof minutes) =>
      (await h.concord.artifacts.get(ANNA, outside(of))).status;
    await tick();
    expect([await status(minutes), await status(memo)]).toEqual(["validated", "created"]);
    h.clock.aheadMs = 91 * DAY_MS;
    const { before, count } = await tick();
    await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(before);
    await expect.poll(() => status(minutes), { timeout: 20_000 }).toBe("archived");
    expect(await status(memo)).toBe("created");
    await tick();
    expect(await archived()).toEqual([
      { artifact_id: outside(minutes), cancelled: false, actor: "concord" },
    ]);
    expect((await h.concord.artifacts.get(ANNA, outside(minutes))).content).toEqual({
      text: "Old",
    });
    const [ingress] = await h.rows(
      "SELECT DISTINCT ingress FROM concord.commands WHERE task_name = 'archive_artifacts'",
    );
    expect(ingress).toEqual({ ingress: "scheduled_trigger" });
  });
});
