/** Owns SQL on `approvals`: a question is closed once, by compare-and-set out of `pending`. */
import { type Selectable, sql } from "kysely";
import { asId } from "../../core/ids.ts";
import type { ApprovalStatus, RiskLevel } from "../../core/vocabulary.ts";
import type { Approval, Delegation, Vote } from "../../domain/approvals.ts";
import type { ApprovalRepository } from "../../domain/store.ts";
import { type ApprovalTable, type Db, isoOf, isoOrNull, jsonb } from "../schema.ts";

export function approvalOf(row: Selectable<ApprovalTable>): Approval {
  return {
    approvalId: asId("approval", row.approval_id),
    commandId: asId("command", row.command_id),
    rootCommandId: asId("command", row.root_command_id),
    tenantId: row.tenant_id,
    approvalType: row.approval_type,
    status: row.status as ApprovalStatus,
    approver: { kind: row.approver_kind as "user" | "group", name: row.approver },
    requestedBy: row.requested_by,
    reviewPacket: row.review_packet,
    boundHash: row.bound_hash,
    riskLevel: row.risk_level as RiskLevel,
    expiresAt: isoOf(row.expires_at),
    quorum: row.quorum,
    votes: row.votes,
    delegations: row.delegations,
    escalation: escalationOf(row),
    escalatedAt: isoOrNull(row.escalated_at),
    createdAt: isoOf(row.created_at),
    decidedAt: isoOrNull(row.decided_at),
    decidedBy: row.decided_by,
    decision: row.decision,
    decisionReason: row.decision_reason,
  };
}

function escalationOf(row: Selectable<ApprovalTable>): Approval["escalation"] {
  const { escalates_at: at, escalate_to_kind: kind, escalate_to: name } = row;
  if (at === null || kind === null || name === null) return null;
  return { at: isoOf(at), to: { kind: kind as "user" | "group", name } };
}

export function approvalRepository(db: Db): ApprovalRepository {
  const select = () => db.selectFrom("concord.approvals").selectAll();
  const append = (id: string, column: "votes" | "delegations", item: Vote | Delegation) =>
    db
      .updateTable("concord.approvals")
      .set({ [column]: sql`${sql.ref(column)} || ${jsonb([item])}::jsonb` })
      .where("approval_id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow();
  return {
    insert: async (approval) => {
      await db
        .insertInto("concord.approvals")
        .values({
          approval_id: approval.approvalId,
          command_id: approval.commandId,
          root_command_id: approval.rootCommandId,
          tenant_id: approval.tenantId,
          approval_type: approval.approvalType,
          status: "pending",
          approver_kind: approval.approver.kind,
          approver: approval.approver.name,
          requested_by: approval.requestedBy,
          review_packet: jsonb(approval.reviewPacket),
          bound_hash: approval.boundHash,
          risk_level: approval.riskLevel,
          expires_at: approval.expiresAt,
          quorum: approval.quorum,
          escalates_at: approval.escalation?.at ?? null,
          escalate_to_kind: approval.escalation?.to.kind ?? null,
          escalate_to: approval.escalation?.to.name ?? null,
        })
        .execute();
    },
    find: async (id) => {
      const row = await select().where("approval_id", "=", id).executeTakeFirst();
      return row === undefined ? undefined : approvalOf(row);
    },
    ofCommand: async (commandId) => {
      const rows = await select()
        .where("command_id", "=", commandId)
        .orderBy("approval_id")
        .execute();
      return rows.map(approvalOf);
    },
    vote: async (id, vote) => approvalOf(await append(id, "votes", vote)),
    delegate: async (id, delegation) => approvalOf(await append(id, "delegations", delegation)),
    escalate: async (id) => {
      await db
        .updateTable("concord.approvals")
        .set({ escalated_at: sql`now()` })
        .where("approval_id", "=", id)
        .execute();
    },
    close: async (id, to, by, decision, reason) => {
      const row = await db
        .updateTable("concord.approvals")
        .set({
          status: to,
          decided_at: sql`now()`,
          decided_by: by,
          decision,
          decision_reason: reason,
        })
        .where("approval_id", "=", id)
        .where("status", "=", "pending")
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : approvalOf(row);
    },
  };
}
