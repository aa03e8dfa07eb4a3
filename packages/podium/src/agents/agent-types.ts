/** Owns the closed set of agent types this Podium can run, and how a deployment is named after one. */
import type { Agent } from "./agent.ts";

export type AgentTypes = ReadonlyMap<string, Agent>;

/** Types by name; order is the order of `GET /api/v1/agent-types`. */
export function agentTypes(agents: readonly Agent[]): AgentTypes {
  return new Map(agents.map((agent) => [agent.type, agent]));
}

/** The deployment of an agent type that is part of Podium itself: `<type>:builtin`. */
export function builtInDeployment(agentType: string): string {
  return `${agentType}:builtin`;
}

/** The agent type a deployment id begins with: `<type>:<version>[@<hash>]`. */
export function agentTypeOf(deploymentId: string): string {
  return deploymentId.split(":", 1)[0] ?? deploymentId;
}
