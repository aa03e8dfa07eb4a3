/**
 * Owns the durable events of what an agent does beside talking and calling tools: its questions, terminal, sandbox,
 * files, plan and memory. The gateway carries them; only a question that can be answered moves the session.
 */
import * as Schema from "effect/Schema";
import { event } from "./event-envelope.ts";
import { Carried, CarriedObject, Count, EpochMs, Id } from "./values.ts";

const text = Schema.String;
const optionalText = Schema.optionalKey(text);
const sandbox = { sandboxId: Schema.optionalKey(Id), detail: optionalText };
const step = { planId: Id, stepId: Id, title: optionalText };

export const ToolCallDelta = event("tool_call_delta", { toolCallId: Id, argumentsDelta: text });
/** With a `commandId` the session waits, and `answer_question` answers it. */
export const QuestionRequested = event("question_requested", {
  requestId: Id,
  /** Concord's: `[{text, fields}]`, the fields by their names in `answerSchema`. */
  questions: Carried,
  /** JSON Schema of the answer. */
  answerSchema: Schema.optionalKey(CarriedObject),
  commandId: Schema.optionalKey(Id),
  toolCallId: Schema.optionalKey(Id),
  askedBy: optionalText,
  expiresAt: Schema.optionalKey(EpochMs),
});
export const QuestionResolved = event("question_resolved", {
  requestId: Id,
  commandId: Schema.optionalKey(Id),
  /** `answered`, or how else it ended: `expired`, `cancelled`. */
  outcome: text,
  answeredBy: Schema.NullOr(Schema.String),
});
export const TerminalStream = event("terminal.stream", {
  terminalId: Id,
  stream: Schema.Literals(["stdout", "stderr"]),
  text,
});
export const TerminalComplete = event("terminal.complete", {
  terminalId: Id,
  exitCode: Schema.NullOr(Schema.Int),
});
export const SandboxProvisioning = event("sandbox.provisioning", sandbox);
export const SandboxInit = event("sandbox.init", sandbox);
export const SandboxRemoved = event("sandbox.removed", sandbox);
export const FileChanged = event("file.changed", {
  path: text,
  change: Schema.Literals(["created", "modified", "deleted"]),
  iteration: Schema.optionalKey(Count),
});
export const CodeBlock = event("code_block", { language: optionalText, text });
export const PlanCreated = event("plan.created", { planId: Id, steps: Carried });
export const PlanStepStarted = event("plan.step_started", step);
export const PlanStepCompleted = event("plan.step_completed", step);
export const PlanRevised = event("plan.revised", { planId: Id, steps: Carried });
export const MemoryExtracted = event("memory.extracted", { memories: Carried });
export const MemoryRecalled = event("memory.recalled", { memories: Carried });
export const ContextCompacted = event("context.compacted", { summary: optionalText });
export const SubagentStarted = event("subagent.started", { subagentId: Id, title: optionalText });
export const SubagentUpdate = event("subagent.update", { subagentId: Id, text });
export const SubagentFinished = event("subagent.finished", { subagentId: Id, status: text });

export const AGENT_EVENTS = [
  ToolCallDelta,
  QuestionRequested,
  QuestionResolved,
  TerminalStream,
  TerminalComplete,
  SandboxProvisioning,
  SandboxInit,
  SandboxRemoved,
  FileChanged,
  CodeBlock,
  PlanCreated,
  PlanStepStarted,
  PlanStepCompleted,
  PlanRevised,
  MemoryExtracted,
  MemoryRecalled,
  ContextCompacted,
  SubagentStarted,
  SubagentUpdate,
  SubagentFinished,
] as const;
