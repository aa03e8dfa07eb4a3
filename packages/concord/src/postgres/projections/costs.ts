/** Owns reading what commands cost: calls from the record, as they were charged then; tokens from the thoughts. */
import type { Pool } from "pg";
import { asId, type CommandId } from "../../core/ids.ts";
import type { CostLine } from "../../domain/costs.ts";

/** Whoever needs more reads the feed. */
const COMMANDS_MAX = 1_000;

const LINES = `
  WITH RECURSIVE family AS (
    SELECT command_id, task_name, 0 AS depth FROM concord.commands WHERE command_id = $1
    UNION ALL
    SELECT child.command_id, child.task_name, depth + 1 FROM concord.commands child
    JOIN family ON child.parent_command_id = family.command_id
  )
  SELECT f.command_id, f.task_name, calls.count AS calls, calls.units AS call_units, thoughts.count AS thoughts,
    thoughts.input_tokens, thoughts.output_tokens
  FROM family f
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum((e.payload ->> 'cost_units')::numeric), 0) AS units
    FROM concord.domain_events e WHERE e.command_id = f.command_id AND e.event_type = 'connector_called'
  ) calls
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum((m.usage ->> 'inputTokens')::bigint), 0) AS input_tokens,
      coalesce(sum((m.usage ->> 'outputTokens')::bigint), 0) AS output_tokens
    FROM concord.agent_moves m WHERE m.command_id = f.command_id
  ) thoughts
  ORDER BY f.depth, f.command_id LIMIT ${COMMANDS_MAX}`;

interface Row {
  readonly command_id: string;
  readonly task_name: string;
  readonly calls: string;
  readonly call_units: string;
  readonly thoughts: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
}

export async function readCosts(pool: Pool, commandId: CommandId): Promise<readonly CostLine[]> {
  const { rows } = await pool.query<Row>(LINES, [commandId]);
  return rows.map((row) => ({
    commandId: asId("command", row.command_id),
    taskName: row.task_name,
    calls: Number(row.calls),
    callUnits: Number(row.call_units),
    thoughts: Number(row.thoughts),
    inputTokens: Number(row.input_tokens),
    outputTokens: Number(row.output_tokens),
  }));
}
