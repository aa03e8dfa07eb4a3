/** Owns the face of a started Concord: what the HTTP API, an embedding program and the tests may ask of it. */
import type { Command, Principal } from "../core/command.ts";
import type { AgentActionService } from "./agent-actions.ts";
import type { Alert } from "./alerts.ts";
import type { ApprovalService } from "./approval-service.ts";
import type { Approval } from "./approvals.ts";
import type { Artifact, Lineage } from "./artifacts.ts";
import type { DomainEvent } from "./audit.ts";
import type { CommandService } from "./command-service.ts";
import type { Costs } from "./costs.ts";
import type { DashboardService } from "./dashboards.ts";
import type { ConnectorSummary, TaskSummary } from "./describing.ts";
import type { Explanation } from "./explain.ts";
import type { Health } from "./health.ts";
import type { IncidentService } from "./incident-service.ts";
import type { Incident } from "./incidents.ts";
import type { NotificationService } from "./notifications.ts";
import type { PolicyService } from "./policy-service.ts";
import type {
  ApprovalFilter,
  AskedInput,
  AuditReport,
  CommandFilter,
  Counts,
  EventFeed,
  IncidentFilter,
  InputFilter,
  Page,
  RecordFilter,
  Timeline,
} from "./reading.ts";
import type { RedactionService } from "./redaction-service.ts";
import type { ScheduleService } from "./schedule-service.ts";
import type { ArtifactType, Tool } from "./tasks.ts";
import type { WebhookEndpointService } from "./webhook-endpoints.ts";
import type { WebhookDefinition } from "./webhooks.ts";

export interface Concord {
  readonly commands: CommandService & {
    list(principal: Principal, filter: CommandFilter): Promise<Page<Command>>;
    /** Waits until the command rests, at most `timeoutMs`; returns it as it then is. */
    settled(principal: Principal, id: string, timeoutMs: number): Promise<Command>;
  };
  /** For agents that run elsewhere. */
  readonly agentActions: AgentActionService;
  readonly approvals: ApprovalService & {
    list(principal: Principal, filter: ApprovalFilter): Promise<Page<Approval>>;
  };
  readonly incidents: IncidentService & {
    list(principal: Principal, filter: IncidentFilter): Promise<Page<Incident>>;
  };
  readonly inputs: {
    /** What people of the caller's tenant are asked. Throws `invalid_cursor`. */
    list(principal: Principal, filter: InputFilter): Promise<Page<AskedInput>>;
  };
  readonly artifacts: {
    /** Throws `not_found`, also for another tenant's artifact. `id` is the outside form. */
    get(principal: Principal, id: string): Promise<Artifact>;
    /** How a program shows it, when its type says so. */
    rendering(artifact: Artifact): ArtifactType["rendering"];
    /** Where it comes from and what came of it. Throws `not_found`. */
    lineage(principal: Principal, id: string): Promise<Lineage>;
  };
  /** Why the command is where it is. Throws `not_found`. */
  readonly explain: (principal: Principal, id: string) => Promise<Explanation>;
  /** Everything on record about the command and those below it, as one file (evidence/). Throws `not_found`, `forbidden`. */
  readonly evidence: (principal: Principal, id: string) => Promise<string>;
  /** What the command and those below it cost. Throws `not_found`. */
  readonly costs: (principal: Principal, id: string) => Promise<Costs>;
  readonly timeline: (
    principal: Principal,
    id: string,
    options?: { readonly descendants?: boolean },
  ) => Promise<Timeline>;
  /** Checks the caller's tenant. Throws `forbidden` unless the caller is an owner or an auditor. */
  readonly verifyAudit: (
    principal: Principal,
    options?: { readonly known?: string },
  ) => Promise<AuditReport>;
  readonly policies: PolicyService;
  readonly notifications: NotificationService;
  readonly connectors: () => readonly ConnectorSummary[];
  /** What may be asked for, and on which terms. */
  readonly tasks: () => readonly TaskSummary[];
  /** The record of the caller's tenant, newest first. Throws `invalid_cursor`. */
  readonly record: (principal: Principal, filter: RecordFilter) => Promise<Page<DomainEvent>>;
  readonly redactions: RedactionService;
  readonly schedules: ScheduleService;
  /** Webhooks that leave: who hears of which events, and what became of each delivery. */
  readonly webhookEndpoints: WebhookEndpointService;
  /** Webhooks that come in. */
  readonly webhooks: {
    find(provider: string): WebhookDefinition | undefined;
    /** What signs its deliveries, looked up now; undefined when it is not set. */
    secret(webhook: WebhookDefinition): Promise<string | undefined>;
  };
  readonly events: EventFeed;
  /** What an agent may propose; of one type, when it is named. */
  readonly tools: (agentType?: string) => readonly Tool[];
  readonly dashboards: DashboardService;
  readonly counts: () => Promise<Counts>;
  /** What it stands on, part by part. Never throws. */
  readonly health: () => Promise<Health>;
  /** What somebody has to look at, over all tenants. */
  readonly alerts: () => Promise<readonly Alert[]>;
  /** What keeps this Concord from serving; empty when it can. */
  readonly missing: () => Promise<readonly string[]>;
  /** Whether `error` means that storage is away: nothing is known to be wrong with the request. */
  readonly isUnavailable: (error: unknown) => boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
}
