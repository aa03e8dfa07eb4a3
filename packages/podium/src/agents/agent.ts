/**
 * Owns what an agent is to Podium: something that thinks one move at a time, out loud.
 * Refuses to own: attempts, ids, recording (`engine/thinker.ts`). An agent never acts; it proposes. Only its own
 * files it changes itself.
 */
import type { StepRequest } from "../runs/agent-step.ts";
import type { ProposedCall } from "../runs/fold-step.ts";
import type { InstanceConfig } from "../runs/instance-config.ts";
import type { Usage } from "../runs/podium-events.ts";
import type { Steer } from "../runs/steer.ts";
import type { WorkspaceRound } from "../runs/workspace-round.ts";

/** An agent's own files, as a thought works on them (docs/files.md). */
export interface AgentWorkspace {
  /** What the turn's thoughts have done there, oldest first: earlier ones, and this one if it is repeated. */
  readonly rounds: readonly WorkspaceRound[];
  /** Does calls of workspace tools, refuses those that the turn may not make, and records them with what was said and paid. Throws when the turn is over. */
  act(said: {
    readonly text: string;
    readonly calls: readonly ProposedCall[];
    readonly usage: Usage;
  }): WorkspaceRound;
}

export interface ThinkContext {
  readonly step: StepRequest;
  /** What the person has said into the turn since it began, oldest first. */
  readonly steers: readonly Steer[];
  readonly workspace: AgentWorkspace;
  /** Whether the turn's agent may use a tool by this name. */
  readonly mayUse: (toolName: string) => boolean;
  readonly tenantId: string;
  readonly config: InstanceConfig;
  /** When the turn was asked, ISO 8601 UTC: the agent's "now", the same in every attempt. */
  readonly askedAt: string;
  readonly traceparent: string;
  /** Aborts when the person stops the turn or the process ends. */
  readonly signal: AbortSignal;
}

/** A piece of what the agent says or thinks, in order. */
export interface ThoughtEvent {
  readonly kind: "text" | "thinking";
  readonly text: string;
}

/** A whole thought. Without calls, `text` is the final answer. */
export interface Thought {
  readonly text: string;
  readonly calls: readonly ProposedCall[];
  readonly usage: Usage;
}

export interface Agent {
  readonly type: string;
  readonly title: string;
  readonly description: string;
  /** Streams one thought. Throws `ModelFailure` when there is none to have. */
  think(context: ThinkContext): AsyncGenerator<ThoughtEvent, Thought, void>;
}
