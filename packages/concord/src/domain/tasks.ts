/**
 * Owns what a contract author declares: tasks with their steps, tools, approval types, compensations; and the
 * catalog the services look them up in. Refuses to own: checking the graph (registry) and running it (runtime).
 */
import type { TaskTier } from "../core/audit-tiers.ts";
import type { Command, Principal } from "../core/command.ts";
import type { JsonObject } from "../core/json.ts";
import type { Approver, Policy } from "../core/policy.ts";
import type { ReviewSummary } from "../core/review-packet.ts";
import type { Validator } from "../core/validation.ts";
import {
  type ApprovalDecision,
  type CancellationMode,
  type IngressType,
  type QueueName,
  RISK_LEVELS,
  type RiskLevel,
} from "../core/vocabulary.ts";
import type { RuntimeCapability } from "../runtime/protocol/index.ts";
import type { Artifact, ArtifactVisibility } from "./artifacts.ts";
import type { Connector, Operation } from "./connectors.ts";
import type { ScheduleDefinition } from "./schedules.ts";
import type { WebhookDefinition } from "./webhooks.ts";

/** What a step sees: the payload, the facts policy judged, and the results of steps before it. */
export interface StepView {
  readonly payload: JsonObject;
  readonly facts: JsonObject;
  readonly results: JsonObject;
  readonly requester: Principal;
}

/** Read-only, tenant-bound access for `gatherFacts`. */
export interface FactReader {
  /** The artifact, or undefined when this tenant has none of that id. */
  artifact(artifactId: string): Promise<Artifact | undefined>;
  /**
   * How many commands of this type the requester made within the last `seconds`, this one and those that policy
   * denied left out. Counting and submitting are serialised per requester, so that a limit holds under load.
   */
  recentCommands(seconds: number): Promise<number>;
}

export interface ConnectorStep {
  readonly kind: "connector";
  readonly id: string;
  readonly connector: string;
  readonly operation: string;
  readonly dependsOn?: readonly string[];
  /** Pure: false leaves the step out, with the result `{"skipped": true}`. Judged from steps it depends on. */
  readonly when?: (view: StepView) => boolean;
  /** Pure: the input of the call. Throw `ContractFailure` to end the command with a class and a sentence. */
  readonly input: (view: StepView) => JsonObject;
  /** Required when the operation has a side effect: the type under which it is recorded and undone. */
  readonly effectType?: string;
}

export interface ArtifactStep {
  readonly kind: "artifact";
  readonly id: string;
  readonly artifactType: string;
  readonly dependsOn?: readonly string[];
  readonly when?: (view: StepView) => boolean;
  readonly title: (view: StepView) => string;
  readonly content: (view: StepView) => JsonObject;
  /** Where the body lies, e.g. `s3://reports/2027-05.parquet`, when it is too large for `content` (ART-4). */
  readonly location?: (view: StepView) => string;
  /** The artifact (outside id) of which this is the next version; the old one stays readable (ART-7). */
  readonly replaces?: (view: StepView) => string | undefined;
}

/** Publishes an artifact that was written before, by this command or another (ART-8). */
export interface PublishStep {
  readonly kind: "publish";
  readonly id: string;
  readonly dependsOn?: readonly string[];
  readonly when?: (view: StepView) => boolean;
  /** The artifact (outside id). */
  readonly artifact: (view: StepView) => string;
}

/**
 * Stops another command of the same requester, or takes its success back (CMP-17); ends when that one rests. What
 * cannot be undone, or no longer, fails this command.
 */
export interface TakeBackStep {
  readonly kind: "take_back";
  readonly id: string;
  readonly dependsOn?: readonly string[];
  readonly when?: (view: StepView) => boolean;
  /** The command (outside id). */
  readonly command: (view: StepView) => string;
}

export type StepDefinition = ConnectorStep | ArtifactStep | PublishStep | TakeBackStep;

/**
 * The key of a submission that brings none (EX-9), so that a double tap is one command (EX-14). A command answers
 * for its key while it works, once it succeeded, once anything happened outside, and once a person rejected it.
 * After any other end, asking again is a new command.
 */
export interface IdempotencyRule {
  /** Filled from the payload and `{requester}`; `{name?}` may be absent. */
  readonly key: string;
  /** From then on asking again is a new command. Default: never. */
  readonly holdsForSeconds?: number;
  /** The result is used up once the command of this type and key, filled from the result, rests. */
  readonly spentBy?: { readonly commandType: string; readonly key: string };
}

/**
 * What only a person can say. A command that lacks one of `fields` waits for whoever it is for, an agent's call as well;
 * an agent is not shown these fields and may not fill them.
 */
export interface PersonQuestion {
  /** Properties of `inputSchema` that it does not require. */
  readonly fields: readonly string[];
  /** What the person reads, or, pure, the sentence from the payload. */
  readonly text: string | ((view: Omit<StepView, "results">) => string);
  /** Pure: false leaves the question out. Default: always asked. */
  readonly when?: (view: Omit<StepView, "results">) => boolean;
}

/**
 * The work of a task without who may ask for it and on which terms: those are declared apart (PLN-10). Nobody can ask for
 * a function itself.
 */
export type TaskFunction = Omit<
  TaskDefinition,
  | "commandType"
  | "ingressTypes"
  | "policies"
  | "approval"
  | "syncAllowed"
  | "asyncRequired"
  | "tool"
  | "functionName"
>;

export interface TaskDefinition {
  readonly name: string;
  readonly description: string;
  /** Default: the task's name. */
  readonly commandType?: string;
  /** JSON Schema 2020-12 of the payload. */
  readonly inputSchema: JsonObject;
  /** Default: any. */
  readonly ingressTypes?: readonly IngressType[];
  /** Default `low`. */
  readonly riskLevel?: RiskLevel;
  /** Answer within the request when nothing gates it. Default false. */
  readonly syncAllowed?: boolean;
  /** Never answer within the request, whatever else. Default false. */
  readonly asyncRequired?: boolean;
  /** The function that does the work, when it was declared apart. Default: the task's name. */
  readonly functionName?: string;
  /** What its commands promise to leave on record (AUD-13). Default `durable`; `high_risk` is checked at start. */
  readonly auditTier?: TaskTier;
  /** For people and programs around Concord; nothing decides by it. */
  readonly metadata?: JsonObject;
  /** Names of registered policies; at least one, since silence is not consent. */
  readonly policies: readonly string[];
  /** Ask a person always, whatever the policies say. */
  readonly approval?: { readonly type: string; readonly approver: Approver };
  /** Kinds of data the task touches, for policies. */
  readonly dataTouched?: readonly string[];
  /**
   * Default `graceful`: what happened stands. With `compensate_then_stop` a cancellation undoes it, and so does a
   * failure after something had happened (CMP-16).
   */
  readonly cancellationMode?: CancellationMode;
  /** For how long a success may be taken back, with `compensate_then_stop` (CAN-12). Default: not at all. */
  readonly cancelWithinMinutes?: number;
  readonly queue?: QueueName;
  /** What the durable runtime must offer beyond the usual (RUN-4); checked at start. */
  readonly requires?: readonly RuntimeCapability[];
  /** Reads what policies need to know, e.g. the amount of a draft. May throw `ContractFailure`. */
  readonly gatherFacts?: (payload: JsonObject, read: FactReader) => Promise<JsonObject>;
  readonly idempotency?: IdempotencyRule;
  readonly steps: readonly StepDefinition[];
  /** The command's result, from the results of its steps. */
  readonly result: (view: StepView) => JsonObject;
  /** What an approver reads. Default: the task's description and its payload. */
  readonly review?: (view: Omit<StepView, "results">) => ReviewSummary;
  /** Pure: what approvers may open beside the packet, kept as an artifact `approval_packet` of the command. */
  readonly preview?: (view: Omit<StepView, "results">) => {
    readonly title: string;
    readonly content: JsonObject;
  };
  /** How long the requester has to answer when more is asked for. Default a day. */
  readonly inputWithinMinutes?: number;
  /** What is asked of a person before the command is planned, when the payload leaves it out. */
  readonly asks?: readonly PersonQuestion[];
  /**
   * Set when an agent may propose the task. With `waitsForPerson` its call waits for an answer when policy wants to know
   * more; without it the agent is told, and proposes anew.
   */
  readonly tool?: {
    readonly name: string;
    readonly description?: string;
    readonly waitsForPerson?: boolean;
  };
}

/** CMD-12: none named is any. */
export function acceptsIngress(
  { ingressTypes = [] }: Pick<TaskDefinition, "ingressTypes">,
  ingress: IngressType,
): boolean {
  return ingressTypes.length === 0 || ingressTypes.includes(ingress);
}

/** the task's, or what the caller says where that is higher. */
export function riskOf(
  { riskLevel }: Pick<Task, "riskLevel">,
  { context }: Pick<Command, "context">,
): RiskLevel {
  const { riskAtLeast = riskLevel } = context;
  return RISK_LEVELS.indexOf(riskAtLeast) > RISK_LEVELS.indexOf(riskLevel)
    ? riskAtLeast
    : riskLevel;
}

/** A task as the services see it: defaults filled, schema compiled, and how it runs. */
export interface Task extends Omit<TaskDefinition, "review"> {
  readonly commandType: string;
  readonly riskLevel: RiskLevel;
  readonly cancellationMode: CancellationMode;
  readonly validate: Validator;
  readonly review: (view: Omit<StepView, "results">) => ReviewSummary;
  readonly runsAs: "steps" | "agent_turn";
}

export interface ApprovalTypeDefinition {
  readonly name: string;
  readonly description: string;
  readonly defaultExpiryMinutes: number;
  /** How many different people have to approve. Default 1. */
  readonly quorum?: number;
  /** What may be answered. Default all. */
  readonly decisionValues?: readonly ApprovalDecision[];
  /** Labels that `affected` of the packet has to hold; without them nobody is asked (APR-11). */
  readonly requiredFields?: readonly string[];
  /** Who may decide as well when nobody did for that long. */
  readonly escalation?: { readonly afterMinutes: number; readonly to: Approver };
  /**
   * What a rejection does (APR-13). Default `fail`. With `go_on` the command does the rest without what leaves it: steps
   * that write outside or publish are left out with the result `{"skipped": true}`, and it may still succeed.
   */
  readonly onRejected?: "fail" | "go_on";
  /** What becomes of a command about which nobody decided in time. Default `expired`. */
  readonly onExpired?: "expired" | "failed";
  /** Default false: whoever asked may not decide. */
  readonly allowSelfApproval?: boolean;
}

/** A type of artifact beside those of `ARTIFACT_TYPES`, or more about one of those (ART-2, ART-11). */
export interface ArtifactTypeDefinition {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the content; what fits is `validated`, what does not is no artifact. */
  readonly contentSchema?: JsonObject;
  /** From then on it is archived: still readable, no longer current. Default: never. */
  readonly retentionDays?: number;
  /** Default `tenant`: everybody of it. `requester`: whoever asked for it, owners and auditors, until it is published. */
  readonly visibility?: ArtifactVisibility;
  /** Whether a step may publish it: freely, when a person agreed to the command (default), or never. */
  readonly publication?: "free" | "approval" | "never";
  /** Every step that writes one says what it is made from (`dependsOn`). Default false. */
  readonly lineageRequired?: boolean;
  /** How a program shows the content; a hint. */
  readonly rendering?: "text" | "markdown" | "table" | "json" | "link";
}

export interface ArtifactType extends ArtifactTypeDefinition {
  readonly validate: Validator | undefined;
}

/** What the input of a compensation is made from: the command, and the effect that it undoes. */
export interface CompensationView extends StepView {
  readonly effect: { readonly effectType: string; readonly result: JsonObject };
}

/** What undoes an effect (CMP-2). Checked as a graph at start-up; see the registry for what is checked. */
export interface CompensationDefinition {
  readonly name: string;
  /** The effect type it counteracts. */
  readonly of: string;
  readonly connector: string;
  readonly operation: string;
  /** Pure: the input of the call. Default: what the vendor answered when the effect happened. */
  readonly input?: (view: CompensationView) => JsonObject;
  /** Effect types that undoing itself causes, e.g. an e-mail. Default: none, it is pure (CMP-9). */
  readonly produces?: readonly string[];
  /** Says that each of `produces` is the declared inverse of `of` (CMP-6). */
  readonly counterEffects?: boolean;
  /** Compensations that have to succeed first when the same command needs them (CMP-13). */
  readonly after?: readonly string[];
  /** Pure: which effect types the vendor's answer tells of, besides the undoing itself; compared with `produces` (CMP-10). */
  readonly emitted?: (output: JsonObject) => readonly string[];
}

/** What the graph check has to know about an effect that no operation describes. */
export interface EffectTypeDefinition {
  readonly name: string;
  /** The effect type that undoes this one by its nature (CMP-6). */
  readonly inverse?: string;
  /** Why an effect that a compensation causes need not be undone in turn (CMP-9). */
  readonly standsBecause?: string;
}

/** A task as a tool that an agent may propose. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly taskName: string;
  readonly riskLevel: RiskLevel;
  readonly sideEffect: boolean;
}

/** Says what agents of a type are shown (V-46, TOL-5); what an agent is not shown does not exist for it. */
export interface AgentDefinition {
  /** `*`: every type that has no definition of its own. Without either, an agent is shown everything. */
  readonly agentType: string;
  /** Tools. Default: all. */
  readonly allowedTools?: readonly string[];
  /** Tools; taken out of those. */
  readonly forbiddenTools?: readonly string[];
}

/** Look-ups in a checked catalog; every name a task uses is known. */
export interface TaskCatalog {
  task(name: string): Task | undefined;
  taskNames(): readonly string[];
  /** Those that an agent of that type is shown; without a type, all. */
  tools(agentType?: string): readonly Tool[];
  /** Undefined for a tool that is not there, or not there for an agent of that type. */
  toolTask(toolName: string, agentType?: string): Task | undefined;
  policy(name: string): Policy;
  policies(): readonly Policy[];
  approvalType(name: string): ApprovalTypeDefinition;
  artifactTypes(): readonly ArtifactType[];
  /** Undefined for names from an older record. */
  artifactType(name: string): ArtifactType | undefined;
  connector(name: string): Connector;
  connectors(): readonly Connector[];
  operation(connector: string, operation: string): Operation;
  /** For names from an older record, which the code of today may not know. */
  findOperation(connector: string, operation: string): Operation | undefined;
  compensationOf(effectType: string): CompensationDefinition | undefined;
  schedules(): readonly ScheduleDefinition[];
  webhook(provider: string): WebhookDefinition | undefined;
  compensation(name: string): CompensationDefinition | undefined;
}
