/** Owns SQL on `domain_effects`. Never polled as a queue (EFF-8): every look-up is by command or by key. */
import { type Selectable, sql } from "kysely";
import type { Effect } from "../../core/command.ts";
import { asId } from "../../core/ids.ts";
import type { Json } from "../../core/json.ts";
import type { EffectStatus } from "../../core/vocabulary.ts";
import type { EffectRepository } from "../../domain/store.ts";
import { type Db, type EffectTable, jsonb } from "../schema.ts";

function effectOf(row: Selectable<EffectTable>): Effect {
  return {
    effectId: asId("effect", row.domain_effect_id),
    commandId: asId("command", row.command_id),
    stepId: row.step_id,
    ordinal: row.ordinal,
    effectType: row.effect_type,
    idempotencyKey: row.idempotency_key,
    status: row.status as EffectStatus,
    attempts: row.attempts,
    result: row.result as Json,
  };
}

export function effectRepository(db: Db): EffectRepository {
  const select = () => db.selectFrom("concord.domain_effects").selectAll();
  return {
    ...effectWrites(db),
    lockByStep: async (commandId, stepId) => {
      const row = await select()
        .where("command_id", "=", commandId)
        .where("step_id", "=", stepId)
        .forUpdate()
        .executeTakeFirst();
      return row === undefined ? undefined : effectOf(row);
    },
    succeeded: async (commandIds) => {
      const rows = await select()
        .where("command_id", "in", commandIds)
        .where("status", "=", "succeeded")
        .orderBy("command_id")
        .orderBy("ordinal")
        .execute();
      return rows.map(effectOf);
    },
    lockKey: async (tenantId, effectType, key) => {
      const name = JSON.stringify([tenantId, effectType, key]);
      await sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(db);
    },
    succeededTwin: async (effect, tenantId) => {
      const row = await select()
        .where("tenant_id", "=", tenantId)
        .where("effect_type", "=", effect.effectType)
        .where("idempotency_key", "=", effect.idempotencyKey)
        .where("status", "=", "succeeded")
        .where("domain_effect_id", "<>", effect.effectId)
        .executeTakeFirst();
      return row === undefined ? undefined : effectOf(row);
    },
  };
}

type EffectWrites = Pick<EffectRepository, "plan" | "begin" | "succeed" | "fail" | "satisfy">;

function effectWrites(db: Db): EffectWrites {
  const update = (id: string) =>
    db.updateTable("concord.domain_effects").where("domain_effect_id", "=", id);
  return {
    plan: async (command, effects, newId) => {
      if (effects.length === 0) return;
      const values = effects.map((effect, ordinal) => ({
        domain_effect_id: newId(),
        command_id: command.commandId,
        tenant_id: command.tenantId,
        step_id: effect.stepId,
        ordinal,
        effect_type: effect.effectType,
        idempotency_key: effect.idempotencyKey,
        declared_compensation: effect.declaredCompensation,
      }));
      await db.insertInto("concord.domain_effects").values(values).execute();
    },
    begin: async (id, workflowId, payload) => {
      await update(id)
        .set({
          status: "executing",
          attempts: sql`attempts + 1`,
          executed_by_dbos_workflow_id: workflowId,
          effect_payload: jsonb(payload),
          error: null,
          error_class: null,
        })
        .where("status", "in", ["planned", "failed", "executing"])
        .execute();
    },
    succeed: async (id, result) => {
      await update(id)
        .set({ status: "succeeded", result: jsonb(result), completed_at: sql`now()` })
        .where("status", "=", "executing")
        .execute();
    },
    fail: async (id, failure) => {
      await update(id)
        .set({
          status: "failed",
          error: failure.message,
          error_class: failure.errorClass,
          completed_at: sql`now()`,
        })
        .where("status", "=", "executing")
        .execute();
    },
    satisfy: async (id, by) => {
      await update(id).set({ satisfied_by_effect_id: by }).execute();
    },
  };
}
