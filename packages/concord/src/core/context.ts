/** Owns the circumstances of a command (spec §13.1; CMD-4): made once with its defaults, told in the words of the specification. Pure. */
import type { AgentCallRef, Command, CommandContext, Place, Principal } from "./command.ts";
import type { JsonObject } from "./json.ts";
import type { RiskLevel } from "./vocabulary.ts";

/** What a caller may say; the rest has defaults. */
export interface ContextRequest {
  readonly actor: Principal;
  readonly runAs?: string | undefined;
  readonly place?: Place | undefined;
  readonly metadata?: JsonObject | undefined;
  readonly agentCall?: AgentCallRef | undefined;
  readonly riskAtLeast?: RiskLevel | undefined;
}

/** `newId` gives a UUID: no two contexts share their request id. */
export function newContext(
  { actor, runAs = "user", place, metadata = {}, agentCall, riskAtLeast }: ContextRequest,
  newId: () => string,
): CommandContext {
  return {
    actor,
    runAs,
    requestId: `req_${newId().replaceAll("-", "")}`,
    metadata,
    ...(place === undefined || Object.keys(place).length === 0 ? {} : { place }),
    ...(agentCall === undefined ? {} : { agentCall }),
    ...(riskAtLeast === undefined ? {} : { riskAtLeast }),
  };
}

/** As the specification writes it. Metadata stays inside: it is the caller's own. */
export function contextTold({ context, tenantId, traceId }: Command) {
  const { actor, runAs, requestId, place = {} } = context;
  return {
    user_id: actor.user,
    tenant_id: tenantId,
    workspace_id: place.workspaceId ?? null,
    app_id: place.appId ?? null,
    team_id: place.teamId ?? null,
    environment: place.environment ?? null,
    run_as: runAs,
    trace_id: traceId,
    request_id: requestId,
  };
}
