/**
 * Owns one thought: asking the agent's host for the next move until it answers, and recording the answer once.
 * A runtime step; entered again after a crash it finds the recorded move, or asks with the same key.
 */
import type { Command } from "../core/command.ts";
import { type CommandId, encodeId } from "../core/ids.ts";
import { type AgentRuntime, moveProblem, type ThinkRequest, type Thought } from "./agents.ts";
import { cancelCommand } from "./cancellation.ts";
import { failWith } from "./directive.ts";
import type { Kit } from "./kit.ts";
import type { Store } from "./store.ts";
import { agentType, transcriptOf } from "./turn-engine.ts";

/** Wire §3: how long an agent's host may be away, and how often it is asked. */
export interface ThinkLimits {
  readonly answerMs: number;
  readonly patienceMs: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** How often a running thought checks whether somebody stopped the turn. */
  readonly stopCheckMs: number;
}

export const THINK_LIMITS: ThinkLimits = {
  answerMs: 120_000,
  patienceMs: 600_000,
  firstWaitMs: 250,
  longestWaitMs: 5_000,
  stopCheckMs: 500,
};

/** The agent never answered, or refused for good. Never thrown. */
type Outcome = Thought | { readonly kind: "abandoned" };

export async function performThought(
  store: Store,
  kit: Kit,
  runtime: AgentRuntime | undefined,
  commandId: CommandId,
  stepIndex: number,
  limits: ThinkLimits = THINK_LIMITS,
): Promise<void> {
  const request = await store.transaction(async (tx) => {
    const turn = await tx.commands.find(commandId);
    if (turn?.status !== "running") return undefined;
    const moves = await tx.turns.moves(commandId);
    if (moves.length > stepIndex) return undefined;
    return thinkRequest(kit, turn, stepIndex, await transcriptOf(tx, turn));
  });
  if (request === undefined) return;
  const outcome =
    runtime === undefined
      ? ({ kind: "failed", again: false, message: "no agent runtime is configured" } as const)
      : await ask(store, runtime, request, limits, kit.nowMs);
  await record(store, kit, commandId, stepIndex, outcome);
}

async function ask(
  store: Store,
  runtime: AgentRuntime,
  request: ThinkRequest,
  limits: ThinkLimits,
  nowMs: () => number,
): Promise<Outcome> {
  const deadlineMs = nowMs() + limits.patienceMs;
  const stopped = watchForStop(store, request.commandId, limits.stopCheckMs);
  try {
    for (let waitMs = limits.firstWaitMs; ; waitMs = Math.min(waitMs * 2, limits.longestWaitMs)) {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(limits.answerMs)]);
      const thought = await runtime.think(request, signal);
      if (stopped.signal.aborted) return { kind: "abandoned" };
      if (thought.kind !== "failed" || !thought.again) return thought;
      if (nowMs() + waitMs > deadlineMs) return { ...thought, again: false };
      await pause(waitMs, stopped.signal);
    }
  } finally {
    stopped.end();
  }
}

async function record(
  store: Store,
  kit: Kit,
  commandId: CommandId,
  stepIndex: number,
  outcome: Outcome,
): Promise<void> {
  await store.transaction(async (tx) => {
    const turn = await tx.commands.lock(commandId);
    if (turn?.status !== "running") return;
    if (outcome.kind === "moved") {
      const used = new Set((await tx.turns.calls(commandId)).map((call) => call.callId));
      const problem = moveProblem(outcome.move, used);
      if (problem !== undefined) {
        await failWith(tx, turn, { errorClass: "agent_failed", message: problem });
        return;
      }
      await tx.turns.recordMove(commandId, stepIndex, outcome.move, outcome.usage);
    } else if (outcome.kind === "stopped") {
      await cancelCommand(tx, kit, commandId, turn.requestedBy, "the person stopped the turn");
    } else if (outcome.kind === "failed") {
      await failWith(tx, turn, { errorClass: "agent_failed", message: outcome.message });
    }
  });
}

function thinkRequest(
  kit: Kit,
  turn: Command,
  stepIndex: number,
  transcript: ThinkRequest["transcript"],
): ThinkRequest {
  return {
    stepKey: `${encodeId("command", turn.commandId)}:think:${stepIndex}`,
    commandId: turn.commandId,
    stepIndex,
    turn: turn.payload,
    tools: kit.catalog.tools(agentType(turn)),
    transcript,
    traceId: turn.traceId,
  };
}

/** Fires when the turn leaves `running`: a cancellation must not wait for the agent to answer. */
function watchForStop(store: Store, commandId: CommandId, everyMs: number) {
  const abort = new AbortController();
  const check = async () => {
    const turn = await store.read((tx) => tx.commands.find(commandId));
    if (turn?.status !== "running") abort.abort();
  };
  // A failed look is repeated by the next tick; the thought itself does not depend on it.
  const timer = setInterval(() => void check().catch(() => undefined), everyMs);
  return { signal: abort.signal, end: () => clearInterval(timer) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
