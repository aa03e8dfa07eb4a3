/** Owns what an approval is: a question to one person or group about one command, answered once (APR-1, APR-2). */

import type { Principal } from "../core/command.ts";
import type { ApprovalId, CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Approver } from "../core/policy.ts";
import type { ApprovalStatus, RiskLevel } from "../core/vocabulary.ts";

export type Decision = "approved" | "rejected";

export interface Approval {
  readonly approvalId: ApprovalId;
  readonly commandId: CommandId;
  readonly rootCommandId: CommandId;
  readonly tenantId: string;
  readonly approvalType: string;
  readonly status: ApprovalStatus;
  readonly approver: Approver;
  readonly requestedBy: string;
  readonly reviewPacket: JsonObject;
  /** Digest of payload, facts and steps at the time of asking (APR-17). */
  readonly boundHash: string;
  readonly riskLevel: RiskLevel;
  readonly expiresAt: string;
  readonly createdAt: string;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
  readonly decision: string | null;
  readonly decisionReason: string | null;
}

/** Whether `principal` is the user, or in the group, that was asked. */
export function isApprover(principal: Principal, approver: Approver): boolean {
  return approver.kind === "user"
    ? principal.user === approver.name
    : principal.roles.includes(approver.name);
}
