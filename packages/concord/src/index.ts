/** Concord's public face: everything a contract author or an embedding service may use. */

export { podiumRuntime } from "./adapters/agents/podium.ts";
export {
  type DatabricksConnectorOptions,
  databricksConnector,
} from "./adapters/connectors/databricks/connector.ts";
export {
  type GitHubConnectorOptions,
  githubConnector,
} from "./adapters/connectors/github/connector.ts";
export { type HttpConnectorOptions, httpConnector } from "./adapters/connectors/http/connector.ts";
export { type HttpJson, type HttpRequest, httpJson } from "./adapters/connectors/http/http-json.ts";
export {
  type McpServer,
  type McpServerOptions,
  mcpServer,
  type ToolReview,
} from "./adapters/connectors/mcp/connector.ts";
export { type McpTransport, takeMcpSnapshot } from "./adapters/connectors/mcp/session.ts";
export type { Drift, McpSnapshot, McpTool } from "./adapters/connectors/mcp/snapshot.ts";
export { appNotificationConnector } from "./adapters/connectors/notification/app.ts";
export {
  type EmailConnectorOptions,
  emailConnector,
} from "./adapters/connectors/notification/email.ts";
export {
  type SlackConnectorOptions,
  slackConnector,
} from "./adapters/connectors/notification/slack.ts";
export {
  type PostgresConnectorOptions,
  postgresConnector,
} from "./adapters/connectors/postgres/connector.ts";
export { envSecrets, type SecretSources, secretsFrom } from "./adapters/connectors/secrets.ts";
export { type CedarDocument, type CedarPolicy, loadCedar } from "./adapters/policies/cedar.ts";
export { celPolicy } from "./adapters/policies/cel.ts";
export { createConcord } from "./concord.ts";
export type {
  ConcordOptions,
  RuntimeFactory,
  RuntimeParts,
  WebhookOptions,
} from "./concord-options.ts";
export * from "./core/audit-tiers.ts";
export type { Command, CommandContext, ExecutionPlan, Place, Principal } from "./core/command.ts";
export { ContractFailure, Refusal, type RefusalCode } from "./core/errors.ts";
export * from "./core/idempotency-keys.ts";
export { decodeId, encodeId } from "./core/ids.ts";
export type { Json, JsonObject } from "./core/json.ts";
export {
  anyonePolicy,
  connectorScopePolicy,
  externalSharingPolicy,
  permissionPolicy,
  type RateLimit,
  rateLimitPolicy,
  type SpendingLimit,
  spendingLimitPolicy,
} from "./core/policies.ts";
export { BUILT_IN_POLICIES } from "./core/policy/built-in.ts";
export * from "./core/policy/care.ts";
export { type DataSafety, dataSafetyPolicy, findSensitive } from "./core/policy/data-safety.ts";
export { POLICY_DOCUMENT_SCHEMA, type PolicyDocument } from "./core/policy/document.ts";
export { readOnlySqlPolicy } from "./core/policy/read-only-sql.ts";
export {
  type PolicyChange,
  type RecordedCase,
  type WhatIf,
  whatIf,
} from "./core/policy/what-if.ts";
export type {
  Approver,
  Policy,
  PolicyFinding,
  PolicyInput,
  RequiredApproval,
} from "./core/policy.ts";
export * from "./core/primitives.ts";
export { NO_RETRY, type RetryDeclaration, type RetryPolicy } from "./core/retry.ts";
export type { ReviewPacket, ReviewSummary } from "./core/review-packet.ts";
export * from "./core/vocabulary.ts";
export { contractsFromYaml, declaredContracts } from "./declarations/index.ts";
export type {
  AgentCall,
  AgentMove,
  AgentRuntime,
  Observation,
  ThinkRequest,
  Thought,
  TranscriptEntry,
} from "./domain/agents.ts";
export { ALERT_LIMITS, ALERTS, type Alert, type AlertLimits } from "./domain/alerts.ts";
export type { Approval, Decision } from "./domain/approvals.ts";
export type { Artifact, Lineage } from "./domain/artifacts.ts";
export type { DomainEvent } from "./domain/audit.ts";
export type {
  CallContext,
  ConnectorDefinition,
  ConnectorResult,
  OperationDefinition,
  RequestLimit,
  SecretRef,
  SecretResolver,
} from "./domain/connectors.ts";
export type { Costs, TokenCosts } from "./domain/costs.ts";
export type { EventRetention } from "./domain/event-retention.ts";
export type { Concord } from "./domain/face.ts";
export type { Incident } from "./domain/incidents.ts";
export type { AuditReport } from "./domain/reading.ts";
export type { ScheduleDefinition } from "./domain/schedules.ts";
export type {
  AgentDefinition,
  ApprovalTypeDefinition,
  ArtifactStep,
  ArtifactTypeDefinition,
  CompensationDefinition,
  CompensationView,
  ConnectorStep,
  EffectTypeDefinition,
  FactReader,
  IdempotencyRule,
  PersonQuestion,
  PublishStep,
  StepView,
  TakeBackStep,
  TaskDefinition,
  TaskFunction,
  Tool,
} from "./domain/tasks.ts";
export type { WebhookDefinition } from "./domain/webhooks.ts";
export type { Catalog } from "./registry/catalog.ts";
export { CatalogError } from "./registry/check-catalog.ts";
export { type Contracts, defineContracts, loadCatalog } from "./registry/define-contracts.ts";
export type { TaskSpec } from "./registry/task-specs.ts";
export * from "./runtime/protocol/index.ts";
export type { SpanAttributes, SpanMaker } from "./runtime/spans.ts";
