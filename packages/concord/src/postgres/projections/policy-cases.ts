/** Owns reading back what policies judged, for a replay: one tenant's commands, newest first, bounded. */
import { type SqlBool, sql } from "kysely";
import type { Pool } from "pg";
import { digest, type Hash, type JsonObject, toJson } from "../../core/json.ts";
import type { RecordedCase } from "../../core/policy/what-if.ts";
import type {
  PolicyDecision,
  PolicyInput,
  PolicyMode,
  RequiredApproval,
} from "../../core/policy.ts";
import type { PolicyOutcome } from "../../core/vocabulary.ts";
import type { CaseFilter } from "../../domain/policy-service.ts";
import { commandOf } from "../repositories/commands.ts";
import { overPool } from "../schema.ts";

interface StoredDecision {
  readonly policy: string;
  readonly policy_version: string;
  readonly mode: PolicyMode;
  readonly decision: PolicyOutcome;
  readonly reasons: readonly string[];
  readonly required_approvals: readonly RequiredApproval[];
  readonly redactions: readonly string[];
}

/** The last judging of each command that fits. */
export async function readPolicyCases(
  pool: Pool,
  hash: Hash,
  tenantId: string,
  { taskName, since, until, limit }: CaseFilter,
): Promise<readonly RecordedCase[]> {
  const conditions = [
    sql<SqlBool>`commands.tenant_id = ${tenantId}`,
    ...(taskName === undefined ? [] : [sql<SqlBool>`commands.task_name = ${taskName}`]),
    ...(since === undefined ? [] : [sql<SqlBool>`commands.created_at >= ${since}::timestamptz`]),
    ...(until === undefined ? [] : [sql<SqlBool>`commands.created_at < ${until}::timestamptz`]),
  ];
  const db = overPool(pool);
  let query = db
    .selectFrom("concord.commands as commands")
    .innerJoinLateral(
      (inner) =>
        inner
          .selectFrom("concord.policy_inputs as input")
          .select(["policy_input_id", "circumstances", "inputs_hash", "masked"])
          .whereRef("input.command_id", "=", "commands.command_id")
          .orderBy("input.created_at", "desc")
          .limit(1)
          .as("judged"),
      (join) => join.onTrue(),
    )
    .selectAll("commands")
    .select(["judged.circumstances", "judged.inputs_hash", "judged.masked"])
    .select(
      sql<readonly StoredDecision[]>`(SELECT coalesce(json_agg(d ORDER BY d.policy), '[]')
        FROM concord.policy_decisions d WHERE d.policy_input_id = judged.policy_input_id)`.as(
        "decisions",
      ),
    )
    .orderBy("commands.created_at", "desc")
    .orderBy("commands.command_id", "desc")
    .limit(limit);
  for (const condition of conditions) query = query.where(condition);
  const rows = await query.execute();
  return rows.map(({ circumstances, inputs_hash: recorded, masked, decisions, ...row }) => {
    const command = commandOf(row);
    const { riskLevel, ...rest } = circumstances as unknown as Circumstances;
    const { commandId, taskName: name, commandType, ingress, payload, facts, createdAt } = command;
    const input: PolicyInput = {
      requester: command.context.actor,
      action: {
        taskName: name,
        commandType,
        ingress,
        payload,
        riskLevel,
        ...(command.context.place === undefined ? {} : { place: command.context.place }),
      },
      ...rest,
      facts,
    };
    const isSame = digest(hash, toJson(input)) === recorded;
    const inputs = isSame ? "exact" : masked ? "masked" : "changed";
    return {
      commandId,
      taskName: name,
      createdAt,
      input,
      decisions: decisions.map(decisionOf),
      inputs,
    };
  });
}

type Circumstances = JsonObject &
  Pick<PolicyInput, "connectors" | "dataTouched" | "sideEffects" | "approvalAlwaysRequired"> &
  Pick<PolicyInput["action"], "riskLevel">;

function decisionOf(stored: StoredDecision): PolicyDecision {
  const { policy, policy_version: version, mode, decision, reasons, redactions } = stored;
  const requiredApprovals = stored.required_approvals;
  return { policy, version, mode, decision, reasons, requiredApprovals, redactions };
}
