/** Owns the types of Concord's tables for the query builder; migrations/ own the tables themselves. */
import {
  type ColumnType,
  type Generated,
  Kysely,
  PostgresDialect,
  type PostgresPool,
} from "kysely";
import type { ClientBase } from "pg";
import type { JsonObject } from "../core/json.ts";
import type { RequiredApproval } from "../core/policy.ts";
import type { Delegation, Vote } from "../domain/approvals.ts";
import type { Question } from "../domain/asking.ts";
import type { DeliveryAttempt } from "../domain/webhook-endpoints.ts";
import { type Compiled, openTransaction, query } from "./transaction.ts";

/** JSONB: read as a value, written as text, since pg would turn an array into a Postgres array. */
type Jsonb<T> = ColumnType<T, string, string>;
type JsonbDefault<T> = ColumnType<T, string | undefined, string>;
type JsonbOrNull<T> = ColumnType<T | null, string | null, string | null>;
type Time = ColumnType<Date, string | undefined, string>;
type TimeOrNull = ColumnType<Date | null, string | null | undefined, string | null>;

export interface CommandTable {
  command_id: string;
  tenant_id: string;
  command_type: string;
  task_name: string;
  status: string;
  requested_by: string;
  ingress: string;
  payload: Jsonb<JsonObject>;
  context: Jsonb<JsonObject>;
  facts: JsonbDefault<JsonObject>;
  plan: JsonbOrNull<JsonObject>;
  step_results: JsonbDefault<JsonObject>;
  request_hash: string;
  idempotency_key: string | null;
  derived_key: string | null;
  parent_command_id: string | null;
  root_command_id: string;
  trace_id: string;
  dbos_workflow_id: string | null;
  parked_run: string | null;
  has_dependencies: Generated<boolean>;
  cancellation_mode: string;
  cancellation_requested_at: TimeOrNull;
  cancellation_requested_by: string | null;
  cancellation_reason: string | null;
  result: JsonbOrNull<unknown>;
  error: string | null;
  error_class: string | null;
  created_at: Time;
  updated_at: Time;
  completed_at: TimeOrNull;
}

export interface PolicyInputTable {
  policy_input_id: string;
  command_id: string;
  circumstances: Jsonb<JsonObject>;
  inputs_hash: string;
  masked: boolean;
  created_at: Time;
}

export interface PolicyDecisionTable {
  policy_decision_id: string;
  policy_input_id: string | null;
  command_id: string;
  policy: string;
  policy_version: string;
  mode: string;
  decision: string;
  reasons: Jsonb<readonly string[]>;
  required_approvals: Jsonb<readonly RequiredApproval[]>;
  redactions: Jsonb<readonly string[]>;
  inputs_hash: string;
  created_at: Time;
}

export interface EffectTable {
  domain_effect_id: string;
  command_id: string;
  tenant_id: string;
  step_id: string;
  ordinal: number;
  effect_type: string;
  effect_payload: JsonbDefault<JsonObject>;
  idempotency_key: string | null;
  status: Generated<string>;
  attempts: Generated<number>;
  executed_by_dbos_workflow_id: string | null;
  result: JsonbOrNull<unknown>;
  error: string | null;
  error_class: string | null;
  satisfied_by_effect_id: string | null;
  compensates_effect_id: string | null;
  declared_compensation: string | null;
  compensation_manifest: JsonbOrNull<JsonObject>;
  attempts_forgiven: Generated<number>;
  settled_as: string | null;
  created_at: Time;
  completed_at: TimeOrNull;
}

export interface InputRequestTable {
  input_request_id: string;
  tenant_id: string;
  command_id: string;
  question: string;
  questions: JsonbDefault<readonly Question[]>;
  answer_schema: JsonbDefault<JsonObject>;
  asked_by: string;
  status: Generated<string>;
  expires_at: ColumnType<Date, string, string>;
  created_at: Time;
  closed_at: TimeOrNull;
  answered_by: string | null;
}

export interface DependencyTable {
  child_command_id: string;
  parent_command_id: string;
  tenant_id: string;
  required_status: string;
  propagate_cancellation: boolean;
  created_at: Time;
}

export interface IncidentTable {
  incident_id: string;
  tenant_id: string;
  command_id: string;
  root_command_id: string;
  domain_effect_id: string | null;
  kind: string;
  status: Generated<string>;
  message: string;
  detail: Jsonb<JsonObject>;
  created_at: Time;
  closed_at: TimeOrNull;
  closed_by: string | null;
  action: string | null;
  note: string | null;
}

export interface ApprovalTable {
  approval_id: string;
  command_id: string;
  root_command_id: string;
  tenant_id: string;
  approval_type: string;
  status: string;
  approver_kind: string;
  approver: string;
  requested_by: string;
  review_packet: Jsonb<JsonObject>;
  bound_hash: string;
  risk_level: string;
  expires_at: ColumnType<Date, string, string>;
  quorum: Generated<number>;
  votes: JsonbDefault<readonly Vote[]>;
  delegations: JsonbDefault<readonly Delegation[]>;
  escalates_at: TimeOrNull;
  escalate_to_kind: string | null;
  escalate_to: string | null;
  escalated_at: TimeOrNull;
  created_at: Time;
  decided_at: TimeOrNull;
  decided_by: string | null;
  decision: string | null;
  decision_reason: string | null;
}

export interface ArtifactTable {
  artifact_id: string;
  tenant_id: string;
  command_id: string;
  step_id: string;
  artifact_type: string;
  version: number;
  parent_artifact_id: string | null;
  location: string | null;
  title: string;
  status: string;
  visibility: Generated<string>;
  content: Jsonb<JsonObject>;
  checksum: string;
  lineage: Jsonb<JsonObject>;
  metadata: JsonbDefault<JsonObject>;
  creator: string;
  created_at: Time;
}

export interface ArtifactReadTable {
  command_id: string;
  artifact_id: string;
}

export interface InvocationTable {
  connector_invocation_id: string;
  command_id: string;
  domain_effect_id: string | null;
  step_id: string;
  attempt: number;
  runtime_step_id: string | null;
  connector_name: string;
  operation: string;
  side_effect: boolean;
  idempotency_key: string | null;
  status: string;
  input_hash: string;
  request_payload: JsonbDefault<JsonObject>;
  output_summary: string | null;
  error: string | null;
  error_class: string | null;
  latency_ms: number | null;
  retry_after_ms: number | null;
  trace_id: string;
  created_at: Time;
  completed_at: TimeOrNull;
}

export interface NotificationTable {
  notification_id: string;
  tenant_id: string;
  command_id: string;
  delivery_key: string;
  recipient_kind: string;
  recipient: string;
  title: string;
  body: string;
  created_at: Time;
  read_at: TimeOrNull;
}

export interface WebhookEndpointTable {
  endpoint_id: string;
  tenant_id: string;
  command_id: string;
  url: string;
  description: string;
  event_types: Jsonb<readonly string[]>;
  secret_ref: string;
  previous_secret_ref: string | null;
  previous_until: TimeOrNull;
  status: Generated<string>;
  disabled_reason: string | null;
  failures: Generated<number>;
  after_transaction: string;
  after_seq: string;
  created_by: string;
  created_at: Time;
  updated_at: Time;
}

export interface WebhookDeliveryTable {
  delivery_id: string;
  endpoint_id: string;
  tenant_id: string;
  event_id: string;
  event_type: string;
  status: Generated<string>;
  round: Generated<number>;
  attempts: Generated<number>;
  response_code: number | null;
  error: string | null;
  log: JsonbDefault<readonly DeliveryAttempt[]>;
  next_attempt_at: TimeOrNull;
  created_at: Time;
  updated_at: Time;
  completed_at: TimeOrNull;
}

export interface AgentMoveTable {
  command_id: string;
  step_index: number;
  move: Jsonb<JsonObject>;
  usage: Jsonb<JsonObject>;
  created_at: Time;
}

export interface AgentCallTable {
  command_id: string;
  step_index: number;
  ordinal: number;
  call_id: string;
  tool_name: string;
  child_command_id: string | null;
  refusal: JsonbOrNull<JsonObject>;
  created_at: Time;
}

export interface EventTable {
  event_id: string;
  seq: Generated<string>;
  transaction_id: Generated<string>;
  tenant_id: string;
  command_id: string | null;
  root_command_id: string | null;
  parent_command_id: string | null;
  task_name: string | null;
  purpose: string;
  event_type: string;
  payload: Jsonb<JsonObject>;
  actor: string;
  trace_id: string;
  target_type: string | null;
  target_id: string | null;
  step_index: number | null;
  tool_name: string | null;
  latency_ms: number | null;
  token_usage: JsonbOrNull<JsonObject>;
  created_at: Time;
}

export interface Tables {
  "concord.commands": CommandTable;
  "concord.policy_inputs": PolicyInputTable;
  "concord.policy_decisions": PolicyDecisionTable;
  "concord.domain_effects": EffectTable;
  "concord.approvals": ApprovalTable;
  "concord.incidents": IncidentTable;
  "concord.input_requests": InputRequestTable;
  "concord.command_dependencies": DependencyTable;
  "concord.artifacts": ArtifactTable;
  "concord.connector_invocations": InvocationTable;
  "concord.notifications": NotificationTable;
  "concord.webhook_endpoints": WebhookEndpointTable;
  "concord.webhook_deliveries": WebhookDeliveryTable;
  "concord.agent_moves": AgentMoveTable;
  "concord.agent_calls": AgentCallTable;
  "concord.artifact_reads": ArtifactReadTable;
  "concord.domain_events": EventTable;
}

export type Db = Kysely<Tables>;

/** A query builder over a pool, for reads outside any transaction. */
export function overPool(pool: PostgresPool): Db {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** A query builder over one connection whose transaction somebody else began and will end. */
export function overClient(client: ClientBase): Db {
  return overQueries(async (compiled) => {
    await openTransaction(client)?.before(compiled.sql);
    return query(client, compiled);
  });
}

function overQueries(run: (compiled: Compiled) => Promise<unknown>): Db {
  const borrowed = {
    query: (sql: string, parameters: readonly unknown[]) => run({ sql, parameters }),
    release: () => undefined,
  };
  const pool = { connect: async () => borrowed, end: async () => undefined };
  return overPool(pool as unknown as PostgresPool);
}

export const jsonb = (value: unknown): string => JSON.stringify(value ?? null);
export const isoOf = (time: Date): string => time.toISOString();
export const isoOrNull = (time: Date | null): string | null => time?.toISOString() ?? null;
