/**
 * Owns what every host of agents keeps (spec §68), as cases for any test runner:
 * `for (const one of agentRuntimeContract) test(one.name, () => one.run(subject))`. Each case throws what it misses.
 */
import assert from "node:assert/strict";
import { asId } from "../core/ids.ts";
import type { AgentMove, AgentRuntime, ThinkRequest } from "../domain/agents.ts";

/** A host whose agent is told beforehand what to do. */
export interface AgentRuntimeSubject {
  readonly runtime: AgentRuntime;
  /** The agent's next move. */
  script(move: AgentMove): void;
  /** The agent thinks and does not come to an end. */
  stall(): void;
  /** Takes the host away, and brings it back. */
  away(isAway: boolean): Promise<void>;
}

export interface AgentRuntimeCase {
  readonly name: string;
  run(subject: AgentRuntimeSubject): Promise<void>;
}

const WITHIN_MS = 20_000;
let keys = 0;

function question(stepIndex = 0): ThinkRequest {
  keys += 1;
  return {
    stepKey: `contract:${keys}`,
    commandId: asId("command", "01a1fa0a-aabe-770e-a472-3629c18f660c"),
    stepIndex,
    turn: {
      agent_type: "contract",
      instance_id: "i",
      session_id: "s",
      turn_id: `t${keys}`,
      text: "do it",
      history: [],
    },
    tools: [],
    transcript: [],
    traceId: "0af7651916cd43dd8448eb211c80319c",
  };
}

const within = () => AbortSignal.timeout(WITHIN_MS);
const FINAL: AgentMove = { kind: "final", messageId: "m1", text: "grüß dich" };
const CALLS: AgentMove = {
  kind: "tool_calls",
  messageId: "m2",
  calls: [{ callId: "c1", toolName: "price", arguments: { item: "chair", n: [1, null, true] } }],
};

export const agentRuntimeContract: readonly AgentRuntimeCase[] = [
  {
    name: "a move comes as it was made, a final word and calls alike, with what it cost",
    run: async ({ runtime, script }) => {
      for (const move of [FINAL, CALLS]) {
        script(move);
        const thought = await runtime.think(question(), within());
        assert.equal(thought.kind, "moved");
        if (thought.kind !== "moved") continue;
        assert.deepEqual(thought.move, move);
        assert.ok(thought.usage.inputTokens >= 0 && thought.usage.outputTokens >= 0);
      }
    },
  },
  {
    name: "a host that is away is a value, to be asked again; it is never thrown",
    run: async ({ runtime, script, away }) => {
      script(FINAL);
      await away(true);
      const thought = await runtime.think(question(), within());
      assert.deepEqual(
        [thought.kind, thought.kind === "failed" && thought.again],
        ["failed", true],
      );
      await away(false);
      assert.equal((await runtime.think(question(), within())).kind, "moved");
    },
  },
  {
    name: "who stops waiting is let go at once, as a value",
    run: async ({ runtime, stall, script }) => {
      stall();
      const stop = new AbortController();
      const thought = runtime.think(question(), stop.signal);
      stop.abort();
      assert.notEqual((await thought).kind, "moved");
      script(FINAL);
      assert.equal((await runtime.think(question(), within())).kind, "moved");
    },
  },
];
