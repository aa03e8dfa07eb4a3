/**
 * Owns what the services ask of storage: repositories inside one transaction, and the outbox whose messages
 * commit with it. Postgres implements it; the runtime implements the outbox.
 */
import type { Command, Effect, ExecutionPlan, PlannedEffect, Principal } from "../core/command.ts";
import type { CompensationManifest } from "../core/compensation.ts";
import type { Failure } from "../core/errors.ts";
import type {
  ApprovalId,
  ArtifactId,
  CommandId,
  DeliveryId,
  EffectId,
  IncidentId,
  InputId,
  WebhookId,
} from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { PolicyDecision } from "../core/policy.ts";
import type {
  ApprovalStatus,
  ArtifactStatus,
  CommandStatus,
  ErrorClass,
  IncidentAction,
  QueueName,
} from "../core/vocabulary.ts";
import type { AgentMove, RecordedCall, RecordedMove, TokenUsage } from "./agents.ts";
import type { Approval, Delegation, Vote } from "./approvals.ts";
import type { Artifact } from "./artifacts.ts";
import type { DomainEvent, NewEvent } from "./audit.ts";
import type { InboxMessage } from "./connectors.ts";
import type { Dependency } from "./dependencies.ts";
import type { RetentionRepository } from "./event-retention.ts";
import type { Incident } from "./incidents.ts";
import type { InputRequest } from "./input.ts";
import type { RedactionRepository } from "./redaction-service.ts";
import type { WebhookDelivery, WebhookEndpoint } from "./webhook-endpoints.ts";

export type NewCommand = {
  /** The key that the task derived, without the number of its generation; null when the caller brought one. */
  readonly derivedKey: string | null;
} & Omit<
  Command,
  | "status"
  | "facts"
  | "plan"
  | "hasDependencies"
  | "stepResults"
  | "workflowId"
  | "isParked"
  | "cancellationRequestedAt"
  | "result"
  | "error"
  | "errorClass"
  | "createdAt"
  | "updatedAt"
  | "completedAt"
>;

/** What a status change brings with it. */
export interface StatusPatch {
  readonly planned?: { readonly plan: ExecutionPlan; readonly workflowId: string };
  readonly result?: Json;
  readonly failure?: Failure;
  readonly completed: boolean;
}

export interface CommandRepository {
  /** The row as stored; undefined when the idempotency key is taken. */
  insert(command: NewCommand): Promise<Command | undefined>;
  find(id: CommandId): Promise<Command | undefined>;
  /** Locks the row until the transaction ends. Lock parents before children. */
  lock(id: CommandId): Promise<Command | undefined>;
  findByKey(tenantId: string, commandType: string, key: string): Promise<Command | undefined>;
  /** Holds everyone else who derives the same key until the transaction ends; the newest holder and how many there were. */
  claimDerivedKey(
    tenantId: string,
    commandType: string,
    derivedKey: string,
  ): Promise<{ readonly latest: Command | undefined; readonly count: number }>;
  /** See `FactReader.recentCommands`. */
  countRecent(command: Command, seconds: number): Promise<number>;
  children(parentId: CommandId): Promise<readonly Command[]>;
  /**
   * Undefined when the row is not in `from`, or was neither made nor locked in this transaction. Whoever changes a command
   * holds it: what follows throws otherwise. Written at the latest with the commit.
   */
  move(
    id: CommandId,
    from: CommandStatus,
    to: CommandStatus,
    patch: StatusPatch,
  ): Promise<Command | undefined>;
  setFacts(id: CommandId, facts: JsonObject): Promise<void>;
  /** Only ever to mask what a policy wants masked. */
  setPayload(id: CommandId, payload: JsonObject): Promise<void>;
  setWorkflow(id: CommandId, workflowId: string): Promise<void>;
  /** It has no run until somebody starts `workflowId`, which never was one. */
  park(id: CommandId, workflowId: string): Promise<Command>;
  /** Its run is there. */
  unpark(id: CommandId): Promise<Command>;
  setStepResult(id: CommandId, stepId: string, result: Json): Promise<Command>;
  requestCancellation(id: CommandId, by: string, reason: string | null): Promise<Command>;
}

/** A link of a compensation chain, in the order it will run. */
export interface NewLink {
  readonly stepId: string;
  readonly effectType: string;
  readonly idempotencyKey: string;
  readonly compensation: CompensationManifest;
  readonly compensates: EffectId;
}

/** An effect that happened under the same key, and whether it still stands. */
export interface EffectTwin {
  readonly effect: Effect;
  readonly undoing: "none" | "under_way" | "done";
}

export interface EffectRepository {
  plan(
    command: Command,
    effects: readonly (PlannedEffect & { readonly stepId: string })[],
    newId: () => string,
  ): Promise<void>;
  /** Adds the links of a chain behind the effects of the command (EFF-3). */
  planLinks(command: Command, links: readonly NewLink[], newId: () => string): Promise<void>;
  /** All of them in order, links included. */
  ofCommand(commandId: CommandId): Promise<readonly Effect[]>;
  find(effectId: EffectId): Promise<Effect | undefined>;
  lockByStep(commandId: CommandId, stepId: string): Promise<Effect | undefined>;
  /** What has happened outside for these commands (at least one) and was not undone, in order. */
  standing(commandIds: readonly CommandId[]): Promise<readonly Effect[]>;
  /**
   * An effect of another command that already happened under the same key. Holds everyone else who wants that key
   * from before it looks until the transaction ends.
   */
  succeededTwin(effect: Effect, tenantId: string): Promise<EffectTwin | undefined>;
  /** Gives an effect that has not happened another key; as it then is. */
  rekey(effect: Effect, key: string): Promise<Effect>;
  /** `isProbe`: nothing will be started, so it is not one more attempt. */
  begin(
    effectId: EffectId,
    workflowId: string | null,
    payload: JsonObject,
    isProbe: boolean,
  ): Promise<void>;
  /** False when it is not being executed, or another command's effect has succeeded under its key, which it holds. */
  succeed(effect: Effect, tenantId: string, result: Json): Promise<boolean>;
  /** False when it is not being executed. */
  fail(effectId: EffectId, failure: Failure): Promise<boolean>;
  satisfy(effectId: EffectId, by: EffectId): Promise<void>;
  /** Attempts so far no longer count; the link may be tried anew. */
  forgive(effectId: EffectId, attempts: number): Promise<void>;
  settle(effectId: EffectId, as: "skipped" | "by_hand"): Promise<void>;
}

export type NewIncident = Omit<
  Incident,
  "status" | "createdAt" | "closedAt" | "closedBy" | "action" | "note"
>;

export interface IncidentRepository {
  /** Undefined when one of this kind is open for the effect. */
  open(incident: NewIncident): Promise<Incident | undefined>;
  find(id: IncidentId): Promise<Incident | undefined>;
  ofCommand(commandId: CommandId): Promise<readonly Incident[]>;
  /** Compare-and-set out of `open`; undefined when somebody was first. */
  close(
    id: IncidentId,
    by: string,
    action: IncidentAction,
    note: string | null,
  ): Promise<Incident | undefined>;
}

export interface Invocation {
  readonly invocationId: string;
  readonly commandId: CommandId;
  readonly effectId: EffectId | null;
  readonly stepId: string;
  readonly attempt: number;
  readonly connector: string;
  readonly operation: string;
  readonly sideEffect: boolean;
  readonly idempotencyKey: string | null;
  readonly inputHash: string;
  /** Redacted: see `recordedInput`. */
  readonly requestPayload: JsonObject;
  readonly traceId: string;
}

export interface InvocationOutcome {
  readonly ok: boolean;
  readonly outputSummary: string | null;
  readonly failure?: Failure & { readonly retryAfterMs?: number };
  readonly latencyMs: number;
}

/** What happened so far to one step, from its invocations. */
export interface StepHistory {
  readonly attempts: number;
  /** How each attempt failed, in order; undefined for one that did not. */
  readonly failures: readonly (Failure | undefined)[];
  readonly last:
    | {
        readonly invocationId: string;
        readonly status: "started" | "succeeded" | "failed";
        readonly errorClass: ErrorClass | null;
        readonly error: string | null;
        readonly completedAtMs: number | null;
        /** What the vendor asked for; null when it did not. */
        readonly retryAfterMs: number | null;
      }
    | undefined;
}

export interface InvocationRepository {
  start(invocation: Invocation): Promise<void>;
  finish(invocationId: string, outcome: InvocationOutcome): Promise<void>;
  history(commandId: CommandId, stepId: string): Promise<StepHistory>;
}

export type NewApproval = Omit<
  Approval,
  | "status"
  | "votes"
  | "delegations"
  | "escalatedAt"
  | "createdAt"
  | "decidedAt"
  | "decidedBy"
  | "decision"
  | "decisionReason"
>;

export interface ApprovalRepository {
  insert(approval: NewApproval): Promise<void>;
  find(id: ApprovalId): Promise<Approval | undefined>;
  ofCommand(commandId: CommandId): Promise<readonly Approval[]>;
  vote(id: ApprovalId, vote: Vote): Promise<Approval>;
  delegate(id: ApprovalId, delegation: Delegation): Promise<Approval>;
  escalate(id: ApprovalId): Promise<void>;
  /** Compare-and-set out of `pending`; undefined when somebody was first. */
  close(
    id: ApprovalId,
    to: ApprovalStatus,
    by: string | null,
    decision: string,
    reason: string | null,
  ): Promise<Approval | undefined>;
}

export interface InputRepository {
  ask(command: Command, request: InputRequest): Promise<void>;
  open(commandId: CommandId): Promise<InputRequest | undefined>;
  /** Closes the open question and names it, if there is one. */
  close(
    commandId: CommandId,
    as: "answered" | "expired" | "cancelled",
    by: string | null,
  ): Promise<InputId | undefined>;
}

export interface DependencyRepository {
  /** Holds everyone else who changes the dependencies of the tenant until the transaction ends. */
  lockGraph(tenantId: string): Promise<void>;
  add(child: Command, dependency: Dependency): Promise<void>;
  of(childId: CommandId): Promise<readonly Dependency[]>;
  parentsOf(childIds: readonly CommandId[]): Promise<readonly CommandId[]>;
  /** Commands not at rest that wait for this one. */
  dependents(
    parentId: CommandId,
  ): Promise<readonly { readonly command: Command; readonly dependency: Dependency }[]>;
}

export interface ArtifactRepository {
  /** False when what it replaces has a newer version already. */
  insert(artifact: Omit<Artifact, "createdAt">): Promise<boolean>;
  find(id: ArtifactId, tenantId: string): Promise<Artifact | undefined>;
  /** Compare-and-set; false when it is no longer in `from`. */
  move(id: ArtifactId, from: ArtifactStatus, to: ArtifactStatus): Promise<boolean>;
  /** That the command was decided with it in view (ART-5). */
  noteRead(commandId: CommandId, id: ArtifactId): Promise<void>;
  /** the artifacts of a command that was undone are kept, and marked. */
  archiveCancelled(commandId: CommandId): Promise<readonly ArtifactId[]>;
}

/** Everything about one judging of a command. */
export interface PolicyRecord {
  readonly inputId: string;
  readonly commandId: CommandId;
  readonly decisions: readonly PolicyDecision[];
  /** What policies saw beside the command's own payload and facts. */
  readonly circumstances: JsonObject;
  readonly inputsHash: string;
  readonly masked: boolean;
  readonly newId: () => string;
}

export interface PolicyDecisionRepository {
  insert(record: PolicyRecord): Promise<void>;
}

export interface NewNotification extends InboxMessage {
  readonly notificationId: string;
  readonly tenantId: string;
  readonly commandId: CommandId;
  readonly deliveryKey: string;
}

export interface NotificationRepository {
  /** The notification's id; an earlier one's when the tenant already has one under the key. */
  deliver(notification: NewNotification): Promise<string>;
  find(tenantId: string, deliveryKey: string): Promise<string | undefined>;
}

export interface WaitingRun {
  readonly commandId: CommandId;
  readonly tenant: string;
  readonly workflowId: string;
  readonly isParked: boolean;
}

export interface TurnRepository {
  moves(commandId: CommandId): Promise<readonly RecordedMove[]>;
  /** The commands that the turn's calls became or found. */
  called(commandId: CommandId): Promise<readonly Command[]>;
  /** The runs of unfinished commands that wait for this one: its parent, turns whose calls found it, dependents. */
  waitingFor(command: Command): Promise<readonly WaitingRun[]>;
  /**
   * Whether each command that the turn's calls became or found rests or waits for a person. They stay so until the
   * transaction ends; false when somebody changes one just now.
   */
  holdAsked(commandId: CommandId): Promise<boolean>;
  calls(commandId: CommandId): Promise<readonly RecordedCall[]>;
  /** False when the move of that step is already recorded. */
  recordMove(
    commandId: CommandId,
    stepIndex: number,
    move: AgentMove,
    usage: TokenUsage,
  ): Promise<boolean>;
  recordCall(commandId: CommandId, ordinal: number, call: RecordedCall): Promise<void>;
}

export type NewEndpoint = Pick<
  WebhookEndpoint,
  | "endpointId"
  | "tenantId"
  | "commandId"
  | "url"
  | "description"
  | "eventTypes"
  | "secretRef"
  | "createdBy"
>;

/** What is known after an attempt; what is not named stays. */
export type DeliveryRecord = Partial<
  Pick<WebhookDelivery, "responseCode" | "error" | "nextAttemptAt">
> &
  Pick<WebhookDelivery, "log"> & { readonly status?: "delivered" | "failed" };

export interface WebhookRepository {
  /** Hears of what commits from now on. */
  insertEndpoint(endpoint: NewEndpoint): Promise<WebhookEndpoint>;
  /** Deleted ones left out. */
  countEndpoints(tenantId: string): Promise<number>;
  endpoint(id: WebhookId): Promise<WebhookEndpoint | undefined>;
  /** Lock an endpoint before its deliveries. */
  lockEndpoint(id: WebhookId): Promise<WebhookEndpoint | undefined>;
  /** Writes what may change. Hold its lock. */
  changeEndpoint(endpoint: WebhookEndpoint): Promise<WebhookEndpoint>;
  /** Goes on from this moment, as if it had just been made. */
  skipMissed(id: WebhookId): Promise<void>;
  delivery(id: DeliveryId): Promise<WebhookDelivery | undefined>;
  lockDelivery(id: DeliveryId): Promise<WebhookDelivery | undefined>;
  /** The event it is about. */
  event(eventId: string): Promise<DomainEvent>;
  countAttempt(id: DeliveryId): Promise<void>;
  record(id: DeliveryId, record: DeliveryRecord): Promise<void>;
  hold(id: DeliveryId): Promise<void>;
  /** A new round, `pending`. */
  restart(id: DeliveryId): Promise<WebhookDelivery>;
  /** All that are held, as `restart`. */
  restartHeld(id: WebhookId): Promise<readonly WebhookDelivery[]>;
}

export interface EventRepository {
  append(events: readonly NewEvent[]): Promise<void>;
}

/** Messages to the runtime that exist if and only if the transaction commits. */
export interface Outbox {
  start(
    workflowId: string,
    commandId: CommandId,
    queue: QueueName,
    principal: Pick<Principal, "tenant">,
  ): Promise<void>;
  /** A hint to re-read rows; harmless when nobody waits. */
  wake(workflowId: string): Promise<void>;
  /** Starts a round of a delivery. */
  deliver(deliveryId: DeliveryId, round: number, tenantId: string): Promise<void>;
}

export interface Tx {
  readonly commands: CommandRepository;
  readonly effects: EffectRepository;
  readonly invocations: InvocationRepository;
  readonly approvals: ApprovalRepository;
  readonly incidents: IncidentRepository;
  readonly inputs: InputRepository;
  readonly dependencies: DependencyRepository;
  readonly artifacts: ArtifactRepository;
  readonly policyDecisions: PolicyDecisionRepository;
  readonly notifications: NotificationRepository;
  readonly turns: TurnRepository;
  readonly webhooks: WebhookRepository;
  readonly redactions: RedactionRepository;
  readonly retention: RetentionRepository;
  readonly events: EventRepository;
  readonly outbox: Outbox;
}

export interface Store {
  /** All of `work` commits, or none of it. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** For one read: no transaction is begun, so nothing may be written or locked. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}
