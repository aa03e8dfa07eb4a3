/**
 * Owns SQL for taking something out of the record: which rows hold what people said, and writing over them. An event is
 * written over by one function of the database only, which puts both digests on record (migrations/0041).
 */
import type { ClientBase } from "pg";
import { Refusal } from "../../core/errors.ts";
import { asId, encodeId } from "../../core/ids.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type {
  EventRedaction,
  RecordKind,
  RecordRow,
  RedactionRepository,
} from "../../domain/redaction-service.ts";

interface TableOf {
  readonly key: readonly string[];
  readonly json: readonly string[];
  readonly text: readonly string[];
}

/** Not here: keys and digests, which say what is the same without saying what it is, and who did what. */
const TABLES: Readonly<Record<string, TableOf>> = {
  commands: {
    key: ["command_id"],
    json: ["payload", "facts", "step_results", "result"],
    text: ["error", "cancellation_reason"],
  },
  domain_effects: {
    key: ["domain_effect_id"],
    json: ["effect_payload", "result"],
    text: ["error"],
  },
  approvals: { key: ["approval_id"], json: ["review_packet"], text: ["decision_reason"] },
  artifacts: { key: ["artifact_id"], json: ["content", "metadata"], text: ["title", "location"] },
  connector_invocations: {
    key: ["connector_invocation_id"],
    json: ["request_payload", "response_payload"],
    text: ["output_summary", "error"],
  },
  agent_moves: { key: ["command_id", "step_index"], json: ["move"], text: [] },
  agent_calls: { key: ["command_id", "call_id"], json: ["refusal"], text: [] },
  notifications: { key: ["notification_id"], json: [], text: ["title", "body"] },
  incidents: { key: ["incident_id"], json: ["detail"], text: ["message", "note"] },
  input_requests: {
    key: ["input_request_id"],
    json: ["questions", "answer_schema"],
    text: ["question"],
  },
  policy_decisions: { key: ["policy_decision_id"], json: ["reasons"], text: [] },
  domain_events: { key: ["event_id"], json: ["payload"], text: [] },
};
const KINDS: Readonly<Record<RecordKind, string>> = {
  command: "commands",
  approval: "approvals",
  artifact: "artifacts",
  event: "domain_events",
};
const FAMILY_MAX = 200;
const ROWS_MAX = 5_000;

/** The command, those below it, and what people did about any of them (domain/acts.ts). */
const FAMILY = `
  WITH RECURSIVE family AS (
    SELECT command_id, tenant_id FROM concord.commands WHERE command_id = $1
    UNION ALL
    SELECT child.command_id, child.tenant_id FROM concord.commands child
    JOIN family ON child.parent_command_id = family.command_id
  ), acts AS (
    SELECT act.command_id FROM concord.commands act
    WHERE act.tenant_id = (SELECT min(tenant_id) FROM family)
      AND act.context #>> '{metadata,target_command_id}' IN (
        SELECT 'cmd_' || replace(command_id::text, '-', '') FROM family)
  ) SELECT command_id FROM family UNION SELECT command_id FROM acts ORDER BY 1 LIMIT ${FAMILY_MAX + 1}`;

export function redactionRepository(client: ClientBase): RedactionRepository {
  return {
    find: async (kind, id) => {
      const table = KINDS[kind];
      const [key = ""] = tableOf(table).key;
      const rows = await select(client, table, `t.${key} = $1`, [id], 1);
      return rows[0];
    },
    family: async (commandId) => {
      const { rows } = await client.query<{ command_id: string }>(FAMILY, [commandId]);
      if (rows.length > FAMILY_MAX) throw tooMany(`${FAMILY_MAX} commands`);
      return rows.map((row) => asId("command", row.command_id));
    },
    rowsAbout: async (commandIds) => {
      const found: RecordRow[] = [];
      for (const table of Object.keys(TABLES)) {
        const left = ROWS_MAX + 1 - found.length;
        found.push(...(await select(client, table, "t.command_id = ANY($1)", [commandIds], left)));
        if (found.length > ROWS_MAX) throw tooMany(`${ROWS_MAX} rows`);
      }
      return found;
    },
    rewrite: (row, fields) => rewrite(client, row, fields),
  };
}

function tooMany(what: string): Refusal {
  const message = `It concerns more than ${what}; name the records one by one, with everywhere: false.`;
  return new Refusal("validation_error", message);
}

function tableOf(name: string): TableOf {
  const table = TABLES[name];
  if (table === undefined) throw new Error(`${name} holds nothing that is taken out`);
  return table;
}

interface Row {
  readonly key: readonly (string | number)[];
  readonly command_id: string | null;
  readonly tenant_id: string;
  readonly fields: JsonObject;
}

async function select(
  client: ClientBase,
  name: string,
  where: string,
  values: readonly unknown[],
  limit: number,
): Promise<readonly RecordRow[]> {
  const { key, json, text } = tableOf(name);
  const fields = [...json, ...text].map((column) => `'${column}', t.${column}`).join(", ");
  const keys = key.map((column) => `t.${column}`).join(", ");
  const { rows } = await client.query<Row>(
    `SELECT jsonb_build_array(${keys}) AS key, t.command_id, jsonb_build_object(${fields}) AS fields,
       coalesce(to_jsonb(t) ->> 'tenant_id', c.tenant_id) AS tenant_id
     FROM concord.${name} t LEFT JOIN concord.commands c ON c.command_id = t.command_id
     WHERE ${where} ORDER BY ${keys} LIMIT ${limit}`,
    [...values],
  );
  return rows.map((row) => ({
    table: name,
    key: row.key.map(String),
    commandId: row.command_id === null ? null : asId("command", row.command_id),
    tenantId: row.tenant_id,
    fields: row.fields,
  }));
}

async function rewrite(
  client: ClientBase,
  { table, key, fields: before }: RecordRow,
  fields: JsonObject,
): Promise<EventRedaction | undefined> {
  if (table === "policy_decisions") {
    const reasons = JSON.stringify(fields["reasons"]);
    await client.query("SELECT concord.redact_reasons($1, $2)", [key[0], reasons]);
    return undefined;
  }
  if (table === "domain_events") return rewriteEvent(client, key[0] ?? "", fields["payload"] ?? {});
  const columns = tableOf(table);
  const changed = Object.keys(fields).filter(
    (name) => JSON.stringify(fields[name]) !== JSON.stringify(before[name]),
  );
  const values = changed.map((name) =>
    columns.json.includes(name) ? JSON.stringify(fields[name]) : fields[name],
  );
  const set = changed.map((name, n) => `${name} = $${n + 1}`).join(", ");
  const where = columns.key.map((name, n) => `${name}::text = $${changed.length + n + 1}`);
  await client.query(`UPDATE concord.${table} SET ${set} WHERE ${where.join(" AND ")}`, [
    ...values,
    ...key,
  ]);
  return undefined;
}

async function rewriteEvent(
  client: ClientBase,
  eventId: string,
  payload: Json,
): Promise<EventRedaction> {
  const { rows } = await client.query<{ before: string; after: string }>(
    `SELECT encode(before_digest, 'hex') AS before, encode(after_digest, 'hex') AS after
     FROM concord.redact_event($1, $2)`,
    [eventId, JSON.stringify(payload)],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`there is no event ${eventId}`);
  return { event_id: encodeId("event", eventId), before: row.before, after: row.after };
}
