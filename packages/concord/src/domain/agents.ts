/**
 * Owns the contract between a turn and whoever hosts the agent (wire §3): one question, "what is your next
 * move?", keyed so that asking twice is harmless. The loop itself is in turn-engine.ts.
 */
import type { CommandId } from "../core/ids.ts";
import { type Json, type JsonObject, unstorable } from "../core/json.ts";
import type { ErrorClass } from "../core/vocabulary.ts";
import type { TaskCatalog, Tool } from "./tasks.ts";

export interface AgentCall {
  readonly callId: string;
  readonly toolName: string;
  readonly arguments: JsonObject;
}

export type AgentMove =
  | { readonly kind: "final"; readonly messageId: string; readonly text: string }
  | {
      readonly kind: "tool_calls";
      readonly messageId: string;
      readonly text?: string;
      readonly calls: readonly AgentCall[];
    };

export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface Observation {
  readonly callId: string;
  readonly toolName: string;
  readonly commandId: CommandId | null;
  readonly status: string;
  readonly result?: Json;
  readonly error?: { readonly class: ErrorClass; readonly message: string };
}

export type TranscriptEntry =
  | { readonly kind: "move"; readonly move: AgentMove }
  | ({ readonly kind: "observation" } & Observation);

export interface ThinkRequest {
  readonly stepKey: string;
  readonly commandId: CommandId;
  readonly stepIndex: number;
  /** The payload of the turn: agent_type, instance_id, turn_id, text, history. */
  readonly turn: JsonObject;
  readonly tools: readonly Tool[];
  readonly transcript: readonly TranscriptEntry[];
  readonly traceId: string;
}

export type Thought =
  | { readonly kind: "moved"; readonly move: AgentMove; readonly usage: TokenUsage }
  | { readonly kind: "stopped" }
  /** `again`: nothing is known to be wrong with the question; ask it once more. */
  | { readonly kind: "failed"; readonly again: boolean; readonly message: string };

/** Whoever hosts agents: Podium, or code in this process. Failures are values. */
export interface AgentRuntime {
  think(request: ThinkRequest, signal: AbortSignal): Promise<Thought>;
}

export interface RecordedMove {
  readonly stepIndex: number;
  readonly move: AgentMove;
  readonly usage: TokenUsage;
}

export interface RecordedCall {
  readonly stepIndex: number;
  readonly callId: string;
  readonly toolName: string;
  readonly childCommandId: CommandId | null;
  readonly refusal: { readonly class: ErrorClass; readonly message: string } | null;
}

const CALL_ID = /^[A-Za-z0-9_.:-]{1,160}$/;

/** Why `move` cannot be recorded, or undefined: an agent's host is not trusted to be well-behaved. */
export function moveProblem(move: AgentMove, usedCallIds: ReadonlySet<string>): string | undefined {
  const problem = unstorable(move, "the move");
  if (problem !== undefined || move.kind === "final") return problem;
  if (move.calls.length === 0) return "a tool_calls move holds no call";
  const seen = new Set(usedCallIds);
  for (const { callId } of move.calls) {
    if (!CALL_ID.test(callId)) return "a call_id is not 1 to 160 plain characters";
    if (seen.has(callId)) return `the call_id ${callId} is used twice`;
    seen.add(callId);
  }
  return undefined;
}

/** TOL-5: the same words for a tool that is hidden from the agent and for one that nobody has. */
export function noSuchTool(
  catalog: Pick<TaskCatalog, "tools">,
  toolName: string,
  agentType: string | undefined,
): string {
  const names = catalog.tools(agentType).map((tool) => tool.name);
  const others = names.length === 0 ? "there is none" : `there are: ${names.join(", ")}`;
  return `There is no tool "${toolName}"; ${others}.`;
}
