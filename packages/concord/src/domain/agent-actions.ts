/**
 * Owns what an agent that runs elsewhere asks for (spec §17, §36): a tool by its name becomes a command of whoever the
 * agent acts for, judged like any other, and the agent is told what was decided. Refuses to own: turns, whose calls
 * are proposed by turn-engine.ts, and deciding anything.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type ApprovalId, encodeId } from "../core/ids.ts";
import type { PolicyOutcome, RiskLevel } from "../core/vocabulary.ts";
import { noSuchTool } from "./agents.ts";
import type { CommandService } from "./command-service.ts";
import type { Kit } from "./kit.ts";
import type { Store } from "./store.ts";

export interface AgentAction {
  readonly toolName: string;
  readonly payload: unknown;
  /** Why the agent wants it; on record beside the command. */
  readonly reason: string;
  readonly principal: Principal;
  readonly traceId: string;
  /** Which catalog of tools holds for it (TOL-5). */
  readonly agentType?: string;
  /** never lower than what the task says. */
  readonly riskLevel?: RiskLevel;
  readonly idempotencyKey?: string;
}

export interface AgentActionAnswer {
  readonly decision: Extract<
    PolicyOutcome,
    "allow" | "deny" | "require_approval" | "require_more_input"
  >;
  readonly command: Command;
  readonly approvalId: ApprovalId | undefined;
  /** What the agent may read about the decision; undefined where there is nothing to say. */
  readonly message: string | undefined;
}

export interface AgentActionService {
  /** Durable when it returns. Throws `unknown_task` for a tool that the agent is not shown, and what `submit` throws. */
  propose(action: AgentAction): Promise<AgentActionAnswer>;
}

export function createAgentActionService(
  store: Store,
  kit: Kit,
  commands: Pick<CommandService, "submit" | "reject">,
): AgentActionService {
  return {
    propose: async (action) => {
      const { principal, traceId, toolName, agentType, riskLevel, idempotencyKey } = action;
      const task = kit.catalog.toolTask(toolName, agentType);
      if (task === undefined) {
        const message = noSuchTool(kit.catalog, toolName, agentType);
        const rejected = { principal, ingress: "agent_action", traceId, message } as const;
        await commands.reject({ ...rejected, taskName: toolName, code: "unknown_task" });
        throw new Refusal("unknown_task", message);
      }
      const { command } = await commands.submit({
        taskName: task.name,
        payload: action.payload,
        principal,
        traceId,
        ingress: "agent_action",
        metadata: {
          tool_name: toolName,
          reason: action.reason,
          ...(agentType === undefined ? {} : { agent_type: agentType }),
        },
        ...(riskLevel === undefined ? {} : { riskAtLeast: riskLevel }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      });
      return answerOf(store, command);
    },
  };
}

async function answerOf(store: Store, command: Command): Promise<AgentActionAnswer> {
  const answer = { command, approvalId: undefined, message: undefined };
  const { commandId, status, errorClass, error } = command;
  if (status === "failed" && errorClass === "policy_denied") {
    return { ...answer, decision: "deny", message: error ?? undefined };
  }
  if (status === "waiting_for_input") {
    const asked = await store.read((tx) => tx.inputs.open(commandId));
    return { ...answer, decision: "require_more_input", message: asked?.question };
  }
  if (status !== "waiting_for_approval") return { ...answer, decision: "allow" };
  const approvals = await store.read((tx) => tx.approvals.ofCommand(commandId));
  const open = approvals.find((one) => one.status === "pending");
  const who = open === undefined ? "somebody" : `${open.approver.kind} ${open.approver.name}`;
  const message = `${who} has to agree first; ask for ${encodeId("command", commandId)} later`;
  return { ...answer, decision: "require_approval", approvalId: open?.approvalId, message };
}
