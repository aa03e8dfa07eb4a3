/** What the tables promise by themselves, whoever writes to them: after the migrations, no server involved. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  APPROVAL_STATUSES,
  ARTIFACT_STATUSES,
  CANCELLATION_MODES,
  COMMAND_STATUSES,
  EFFECT_STATUSES,
  EVENT_PURPOSES,
  INGRESS_TYPES,
} from "../src/index.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";

let postgres: TestPostgres;
let pool: pg.Pool;
beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  // The temporary server may end before the last connection does.
  pool.on("error", () => undefined);
  await migrate(pool);
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

const rowsOf = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
  (await pool.query<T>(text, values)).rows;
const firstOf = async (text: string, values: unknown[] = []) => (await rowsOf(text, values))[0];

/** `type`, then `NOT NULL` and the default, as short text by column. */
async function columns(table: string): Promise<Readonly<Record<string, string>>> {
  const found = await rowsOf<{ name: string; told: string }>(
    `SELECT column_name AS name, concat_ws(' ', data_type, CASE is_nullable WHEN 'NO' THEN 'NOT NULL' END,
       'DEFAULT ' || regexp_replace(column_default, '::.*$', '')) AS told
     FROM information_schema.columns WHERE table_schema = 'concord' AND table_name = $1`,
    [table],
  );
  return Object.fromEntries(found.map(({ name, told }) => [name, told]));
}

/** Definitions of keys, checks and indexes, without the schema's name. */
async function rules(table: string): Promise<string> {
  const found = await rowsOf<{ told: string }>(
    `SELECT pg_get_constraintdef(oid) AS told FROM pg_constraint WHERE conrelid = ('concord.' || $1)::regclass
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'concord' AND tablename = $1`,
    [table],
  );
  return found.map(({ told }) => told.replaceAll("concord.", "")).join("\n");
}

async function tables(): Promise<readonly string[]> {
  const found = await rowsOf<{ name: string }>(
    "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
  );
  return found.map(({ name }) => name).sort();
}

/** The words that a CHECK on `column` lists. */
async function wordsOf(table: string, column: string): Promise<readonly string[]> {
  const [found] = await rowsOf<{ told: string }>(
    `SELECT pg_get_constraintdef(oid) AS told FROM pg_constraint
     WHERE conrelid = $1::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE 'CHECK ((' || $2 || ' = ANY%'`,
    [`concord.${table}`, column],
  );
  return [...(found?.told ?? "").matchAll(/'([a-z_]+)'/g)].map(([, word = ""]) => word).sort();
}

const COMMAND = `INSERT INTO concord.commands (command_id, tenant_id, command_type, task_name, status, requested_by,
  ingress, request_hash, idempotency_key, root_command_id, trace_id)`;
async function command(
  more: { status?: string; ingress?: string; key?: string | null; id?: string } = {},
): Promise<string> {
  const { status = "created", ingress = "user_request", key = null } = more;
  const [row] = await rowsOf<{ id: string }>(
    `${COMMAND} SELECT id, 't1', 'buy', 'buy', $1, 'anna', $2, 'h', $3, id, 'trace'
     FROM (SELECT gen_random_uuid() AS id) one RETURNING command_id AS id`,
    [status, ingress, key],
  );
  if (row === undefined) throw new Error("nothing was inserted");
  return row.id;
}

describe("tables", () => {
  test("QUE-4 V-67 AUD-4 X-5 X-6 no queue, lease, claim, lock or schedule of our own, and one table for every event", async () => {
    const names = (await tables()).map((name) => name.replace(/^\w+\./, ""));
    expect(names).toContain("domain_events");
    const never =
      `task_queue task_leases worker_claims generic_effect_outbox retry_queue scheduler_jobs
      manual_lock_table command_events domain_audit_log agent_steps task_runs workers`.split(/\s+/);
    expect(names.filter((name) => never.includes(name))).toEqual([]);
    expect(names.filter((name) => /queue|lease|claim|lock|job|retry|cron/.test(name))).toEqual([]);
    expect((await tables()).every((name) => name.startsWith("concord."))).toBe(true);
  });

  test("CMD-2 CMD-3 V-70 X-3 X-4 X-15 X-33 a command's columns", async () => {
    const found = await columns("commands");
    expect(found).toMatchObject({
      command_id: "uuid NOT NULL",
      command_type: "text NOT NULL",
      requested_by: "text NOT NULL",
      ingress: "text NOT NULL",
      payload: "jsonb NOT NULL DEFAULT '{}'",
      context: "jsonb NOT NULL DEFAULT '{}'",
      status: "text NOT NULL",
      cancellation_mode: "text NOT NULL DEFAULT 'graceful'",
      idempotency_key: "text",
      dbos_workflow_id: "text",
      result: "jsonb",
      error: "text",
      created_at: "timestamp with time zone NOT NULL DEFAULT now()",
      updated_at: "timestamp with time zone NOT NULL DEFAULT now()",
      completed_at: "timestamp with time zone",
      plan: "jsonb",
      error_class: "text",
      parent_command_id: "uuid",
      cancellation_requested_at: "timestamp with time zone",
      cancellation_requested_by: "text",
      cancellation_reason: "text",
      trace_id: "text NOT NULL",
    });
    for (const older of ["state", "source", "ingress_type"]) expect(found[older]).toBeUndefined();
    const told = await rules("commands");
    for (const rule of [
      "PRIMARY KEY (command_id)",
      "UNIQUE (dbos_workflow_id)",
      "UNIQUE INDEX commands_idempotency ON commands USING btree (tenant_id, command_type, idempotency_key)",
    ]) {
      expect(told).toContain(rule);
    }
  });

  test("CMD-14 a key is unique within a tenant and type, and any number of commands has none", async () => {
    await command({ key: "once" });
    await expect(command({ key: "once" })).rejects.toThrow("commands_idempotency");
    await Promise.all([command(), command()]);
  });

  test("CMD-19 a dependency: which child, which parent, what is required of it, and what a cancellation does", async () => {
    expect(await columns("command_dependencies")).toMatchObject({
      child_command_id: "uuid NOT NULL",
      parent_command_id: "uuid NOT NULL",
      required_status: "text NOT NULL DEFAULT 'succeeded'",
      propagate_cancellation: "boolean NOT NULL DEFAULT true",
      created_at: "timestamp with time zone NOT NULL DEFAULT now()",
    });
    const told = await rules("command_dependencies");
    expect(told).toContain("PRIMARY KEY (child_command_id, parent_command_id)");
    expect(told).toContain("INDEX idx_command_deps_parent ON command_dependencies");
  });

  test("EFF-1 EFF-6 X-7 an effect's columns, its three look-ups, and one success for each key", async () => {
    expect(await columns("domain_effects")).toMatchObject({
      domain_effect_id: "uuid NOT NULL",
      command_id: "uuid NOT NULL",
      effect_type: "text NOT NULL",
      effect_payload: "jsonb NOT NULL DEFAULT '{}'",
      idempotency_key: "text",
      status: "text NOT NULL DEFAULT 'planned'",
      executed_by_dbos_workflow_id: "text",
      result: "jsonb",
      error: "text",
      compensates_effect_id: "uuid",
      declared_compensation: "text",
      created_at: "timestamp with time zone NOT NULL DEFAULT now()",
      completed_at: "timestamp with time zone",
    });
    const told = await rules("domain_effects");
    for (const rule of [
      "PRIMARY KEY (domain_effect_id)",
      "FOREIGN KEY (command_id) REFERENCES commands(command_id)",
      "FOREIGN KEY (compensates_effect_id) REFERENCES domain_effects(domain_effect_id)",
      "(command_id, ordinal)",
      "USING btree (status)",
      "(tenant_id, effect_type, idempotency_key) WHERE ((status = 'succeeded'::text) AND (idempotency_key IS NOT NULL))",
    ]) {
      expect(told).toContain(rule);
    }
    const succeed = async () =>
      pool.query(
        `INSERT INTO concord.domain_effects (domain_effect_id, command_id, tenant_id, step_id, ordinal, effect_type,
           idempotency_key, status) VALUES (gen_random_uuid(), $1, 't1', 's', 0, 'shop.buy', 'buy:1', 'succeeded')`,
        [await command()],
      );
    await succeed();
    await expect(succeed()).rejects.toThrow("domain_effects_once");
  });

  test("AUD-1 an event's columns, what it refers to, and by what it is found", async () => {
    expect(await columns("domain_events")).toMatchObject({
      event_id: "uuid NOT NULL",
      command_id: "uuid",
      root_command_id: "uuid",
      purpose: "text NOT NULL",
      event_type: "text NOT NULL",
      payload: "jsonb NOT NULL DEFAULT '{}'",
      actor: "text NOT NULL",
      trace_id: "text NOT NULL",
      step_index: "integer",
      tool_name: "text",
      latency_ms: "integer",
      token_usage: "jsonb",
      cost_units: "numeric",
      created_at: "timestamp with time zone NOT NULL DEFAULT clock_timestamp()",
    });
    const told = await rules("domain_events");
    expect(told.match(/FOREIGN KEY [^\n]*/g)).toEqual([
      "FOREIGN KEY (command_id) REFERENCES commands(command_id)",
    ]);
    for (const rule of [
      "PRIMARY KEY (event_id)",
      "USING btree (command_id)",
      "USING btree (purpose)",
      "USING btree (root_command_id, transaction_id, seq)",
      "USING btree (tenant_id, transaction_id, seq)",
    ]) {
      expect(told).toContain(rule);
    }
  });

  test("ART-1 an artifact's columns: what it is, where its body lies, whose it is and what it replaces", async () => {
    expect(await columns("artifacts")).toMatchObject({
      artifact_id: "uuid NOT NULL",
      command_id: "uuid NOT NULL",
      artifact_type: "text NOT NULL",
      version: "integer NOT NULL DEFAULT 1",
      location: "text",
      status: "text NOT NULL DEFAULT 'created'",
      metadata: "jsonb NOT NULL DEFAULT '{}'",
      lineage: "jsonb NOT NULL DEFAULT '{}'",
      creator: "text NOT NULL",
      created_at: "timestamp with time zone NOT NULL DEFAULT now()",
      content: "jsonb NOT NULL",
      checksum: "text NOT NULL",
      parent_artifact_id: "uuid",
      visibility: "text NOT NULL DEFAULT 'tenant'",
    });
    const told = await rules("artifacts");
    for (const rule of [
      "PRIMARY KEY (artifact_id)",
      "FOREIGN KEY (command_id) REFERENCES commands(command_id)",
      "FOREIGN KEY (parent_artifact_id) REFERENCES artifacts(artifact_id)",
    ]) {
      expect(told).toContain(rule);
    }
  });

  test("V-72 X-6 what a task run would hold stands on the effect and on each call for it; leases are the engine's", async () => {
    const call = await columns("connector_invocations");
    for (const one of [
      "connector_invocation_id",
      "command_id",
      "step_id",
      "connector_name",
      "operation",
      "status",
      "attempt",
      "request_payload",
      "response_payload",
      "error",
      "runtime_step_id",
      "created_at",
      "completed_at",
    ]) {
      expect(call).toHaveProperty(one);
    }
    const effect = await columns("domain_effects");
    for (const one of ["effect_type", "status", "attempts", "executed_by_dbos_workflow_id"]) {
      expect(effect).toHaveProperty(one);
    }
    for (const table of [call, effect]) {
      expect(Object.keys(table).filter((name) => /lease|claimed/.test(name))).toEqual([]);
    }
  });

  test("X-46 what an engine calls its runs is text", async () => {
    const found = await rowsOf<{ name: string; type: string }>(
      `SELECT column_name AS name, data_type AS type FROM information_schema.columns
       WHERE table_schema = 'concord' AND column_name ~ 'workflow_id$|runtime_step_id|executor_id'`,
    );
    expect(found.length).toBeGreaterThanOrEqual(3);
    expect(found.filter(({ type }) => type !== "text")).toEqual([]);
  });

  test("X-53 an event may say what it is about, and need not", async () => {
    expect(await columns("domain_events")).toMatchObject({
      purpose: "text NOT NULL",
      event_type: "text NOT NULL",
      payload: "jsonb NOT NULL DEFAULT '{}'",
      actor: "text NOT NULL",
      trace_id: "text NOT NULL",
      target_type: "text",
      target_id: "text",
    });
  });
});

describe("words", () => {
  test.each([
    ["commands", "status", COMMAND_STATUSES],
    ["commands", "ingress", INGRESS_TYPES],
    ["commands", "cancellation_mode", CANCELLATION_MODES],
    ["domain_effects", "status", EFFECT_STATUSES],
    ["approvals", "status", APPROVAL_STATUSES],
    ["artifacts", "status", ARTIFACT_STATUSES],
    ["domain_events", "purpose", EVENT_PURPOSES],
  ] as const)(
    "CMD-8 V-2 V-5 V-11 V-12 V-13 V-20 V-24 %s.%s takes the words of the code and no other",
    async (table, column, words) => {
      expect(await wordsOf(table, column)).toEqual([...words].sort());
    },
  );

  test("CMD-8 a source that is none is no row", async () => {
    await expect(command({ ingress: "pigeon" })).rejects.toThrow("commands_ingress");
  });

  test("ERR-1 what failed has a class: commands, effects and calls", async () => {
    await expect(command({ status: "failed" })).rejects.toThrow("check constraint");
    const id = await command();
    const effect = `INSERT INTO concord.domain_effects (domain_effect_id, command_id, tenant_id, step_id, ordinal,
      effect_type, status, error_class) VALUES (gen_random_uuid(), $1, 't1', $2, $3, 'e', 'failed', $4)`;
    await expect(pool.query(effect, [id, "a", 0, null])).rejects.toThrow("domain_effects_failure");
    await pool.query(effect, [id, "b", 1, "timeout"]);
    const call = `INSERT INTO concord.connector_invocations (connector_invocation_id, command_id, step_id, attempt,
      connector_name, operation, status, input_hash, trace_id, error_class)
      VALUES (gen_random_uuid(), $1, $2, 1, 'c', 'o', 'failed', 'h', 't', $3)`;
    await expect(pool.query(call, [id, "a", null])).rejects.toThrow(
      "connector_invocations_failure",
    );
    await pool.query(call, [id, "b", "timeout"]);
  });

  test("AUD-3 a purpose is one of three, and what only agents' steps have is empty on every other event", async () => {
    const event = async (purpose: string, column: string, value: unknown) =>
      pool.query(
        `INSERT INTO concord.domain_events (event_id, tenant_id, purpose, event_type, actor, trace_id, ${column})
         VALUES (gen_random_uuid(), 't1', $1, 'x', 'anna', 'trace', $2)`,
        [purpose, value],
      );
    await expect(event("gossip", "target_id", "x")).rejects.toThrow("purpose");
    for (const [column, value] of [
      ["step_index", 1],
      ["tool_name", "buy"],
      ["token_usage", { input_tokens: 1 }],
      ["cost_units", 1],
    ] as const) {
      for (const purpose of ["audit", "event"]) {
        await expect(event(purpose, column, value)).rejects.toThrow("check constraint");
      }
      await event("agent_step", column, value);
    }
  });

  test("X-49 an id inside is a UUID and nothing else", async () => {
    const types = await firstOf(
      `SELECT array_agg(DISTINCT data_type::text) AS types FROM information_schema.columns
       WHERE table_schema = 'concord' AND column_name ~ '(^|_)(command|approval|artifact|effect|event|incident|notification)_id$'`,
    );
    expect(types).toEqual({ types: ["uuid"] });
  });
});
