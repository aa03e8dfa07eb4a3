/** Owns SQL on `domain_effects`. Never polled as a queue (EFF-8): every look-up is by command or by key. */
import { type Insertable, type Selectable, sql } from "kysely";
import type { ClientBase } from "pg";
import type { Effect } from "../../core/command.ts";
import type { CompensationManifest } from "../../core/compensation.ts";
import { asId } from "../../core/ids.ts";
import type { Json } from "../../core/json.ts";
import type { EffectStatus } from "../../core/vocabulary.ts";
import type { EffectRepository, EffectTwin } from "../../domain/store.ts";
import { building, fixed, fixedRows, run } from "../fixed.ts";
import { type Db, type EffectTable, jsonb } from "../schema.ts";
import { type Compiled, inOrder, type Later } from "../transaction.ts";

const TABLE = "domain_effects";
/** A literal: a plan that is made once for all parameters cannot use an index over these rows alone. */
const SUCCEEDED = sql.lit("succeeded");

type EffectRow = Selectable<EffectTable>;

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
    compensation: row.compensation_manifest as unknown as CompensationManifest | null,
    compensatesEffectId:
      row.compensates_effect_id === null ? null : asId("effect", row.compensates_effect_id),
    attemptsForgiven: row.attempts_forgiven,
    settledAs: row.settled_as as Effect["settledAs"],
  };
}

/** Holds everyone else who wants the same effect; one without a key is nobody else's. */
function keyLock({ effectType, idempotencyKey, effectId }: Effect, tenantId: string): Compiled {
  const name = JSON.stringify([tenantId, effectType, idempotencyKey ?? effectId]);
  return { sql: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", parameters: [name] };
}

export function effectRepository(db: Db, client: ClientBase, later: Later): EffectRepository {
  const select = () => db.selectFrom("concord.domain_effects").selectAll();
  return {
    ...effectPlans(db, later),
    ...effectWrites(db, client, later),
    lockByStep: async (commandId, stepId) => {
      const [row] = await run<EffectRow>(client, ofStep({ commandId, stepId }));
      return row === undefined ? undefined : effectOf(row);
    },
    ofCommand: async (commandId) => {
      const rows = await select().where("command_id", "=", commandId).orderBy("ordinal").execute();
      return rows.map(effectOf);
    },
    find: async (effectId) => {
      const row = await select().where("domain_effect_id", "=", effectId).executeTakeFirst();
      return row === undefined ? undefined : effectOf(row);
    },
    standing: async (commandIds) => {
      const rows = await select()
        .where("command_id", "in", commandIds)
        .where("status", "=", "succeeded")
        .where("compensates_effect_id", "is", null)
        .where(sql<boolean>`${UNDOING} IS DISTINCT FROM 'done'`)
        .orderBy("command_id")
        .orderBy("ordinal")
        .execute();
      return rows.map(effectOf);
    },
    succeededTwin: async (effect, tenantId) => {
      const { effectType, idempotencyKey, effectId } = effect;
      const twin = twinOf({ tenantId, effectType, idempotencyKey, effectId });
      const { rows } = await inOrder(client, keyLock(effect, tenantId), twin);
      const [row] = rows as (EffectRow & { undoing: EffectTwin["undoing"] | null })[];
      if (row === undefined) return undefined;
      return { effect: effectOf(row), undoing: row.undoing ?? "none" };
    },
  };
}

/** Statements of every command. */
const ofStep = fixed<{ readonly commandId: string; readonly stepId: string }>((of) =>
  building
    .selectFrom("concord.domain_effects")
    .selectAll()
    .where("command_id", "=", of.commandId)
    .where("step_id", "=", of.stepId)
    .forUpdate(),
);
const PLANNED_COLUMNS = [
  "domain_effect_id",
  "command_id",
  "tenant_id",
  "step_id",
  "ordinal",
  "effect_type",
  "idempotency_key",
  "declared_compensation",
  "compensation_manifest",
] as const satisfies readonly (keyof Insertable<EffectTable>)[];
/** A command that came back for more input is planned again: what has not begun is what it now is. */
const planned = fixedRows<Insertable<EffectTable>>(PLANNED_COLUMNS, (values) =>
  building
    .insertInto("concord.domain_effects")
    .values(values)
    .onConflict((conflict) =>
      conflict
        .columns(["command_id", "step_id"])
        .doUpdateSet((row) => ({
          idempotency_key: row.ref("excluded.idempotency_key"),
          declared_compensation: row.ref("excluded.declared_compensation"),
          compensation_manifest: row.ref("excluded.compensation_manifest"),
        }))
        .where(sql<boolean>`domain_effects.status = 'planned'`),
    ),
);
interface Beginning {
  readonly id: string;
  readonly workflowId: string | null;
  readonly payload: string;
  /** Attempts that this one counts for. */
  readonly counted: number;
}
const beginningOf = fixed<Beginning>((begun) =>
  building
    .updateTable("concord.domain_effects")
    .where("domain_effect_id", "=", begun.id)
    .set({
      status: "executing",
      attempts: sql`attempts + ${begun.counted}`,
      executed_by_dbos_workflow_id: begun.workflowId,
      effect_payload: begun.payload,
      error: null,
      error_class: null,
    })
    .where("status", "in", ["planned", "failed", "executing"]),
);
interface Keyed {
  readonly tenantId: string;
  readonly effectType: string;
  readonly idempotencyKey: string | null;
  readonly effectId: string;
}
const successOf = fixed<Keyed & { readonly result: string }>((happened) =>
  building
    .updateTable("concord.domain_effects")
    .where("domain_effect_id", "=", happened.effectId)
    .set({ status: "succeeded", result: happened.result, completed_at: sql`now()` })
    .where("status", "=", "executing")
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("concord.domain_effects as twin")
            .select("twin.domain_effect_id")
            .where("twin.tenant_id", "=", happened.tenantId)
            .where("twin.effect_type", "=", happened.effectType)
            .where("twin.idempotency_key", "=", happened.idempotencyKey)
            .where("twin.status", "=", SUCCEEDED)
            .where("twin.domain_effect_id", "<>", happened.effectId),
        ),
      ),
    ),
);

/** What became of undoing an effect; null when nobody undoes it, or a person decided that it stands. */
const UNDOING = sql<"under_way" | "done" | null>`(
  SELECT CASE WHEN undo.status = 'succeeded' OR undo.settled_as = 'by_hand' THEN 'done'
    WHEN undo.settled_as IS NULL THEN 'under_way' END
  FROM concord.domain_effects undo
  WHERE undo.compensates_effect_id = domain_effects.domain_effect_id)`;

const twinOf = fixed<Keyed>((effect) =>
  building
    .selectFrom("concord.domain_effects")
    .selectAll()
    .select(UNDOING.as("undoing"))
    .where("tenant_id", "=", effect.tenantId)
    .where("effect_type", "=", effect.effectType)
    .where("idempotency_key", "=", effect.idempotencyKey)
    .where("status", "=", SUCCEEDED)
    .where("domain_effect_id", "<>", effect.effectId),
);

function effectPlans(db: Db, later: Later): Pick<EffectRepository, "plan" | "planLinks"> {
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
        compensation_manifest: effect.compensation === null ? null : jsonb(effect.compensation),
      }));
      await later({ table: TABLE, kind: "update", compile: () => planned(values) });
    },
    planLinks: async (command, links, newId) => {
      if (links.length === 0) return;
      const values = links.map((link, index) => ({
        domain_effect_id: newId(),
        command_id: command.commandId,
        tenant_id: command.tenantId,
        step_id: link.stepId,
        ordinal: sql<number>`${index} + (SELECT coalesce(max(ordinal), -1) + 1 FROM concord.domain_effects
          WHERE command_id = ${command.commandId})`,
        effect_type: link.effectType,
        idempotency_key: link.idempotencyKey,
        compensation_manifest: jsonb(link.compensation),
        compensates_effect_id: link.compensates,
      }));
      await db.insertInto("concord.domain_effects").values(values).execute();
    },
  };
}

type EffectWrites = Pick<
  EffectRepository,
  "begin" | "succeed" | "fail" | "satisfy" | "rekey" | "forgive" | "settle"
>;

function effectWrites(db: Db, client: ClientBase, later: Later): EffectWrites {
  const update = (id: string) =>
    db.updateTable("concord.domain_effects").where("domain_effect_id", "=", id);
  return {
    rekey: async (effect, key) => {
      await update(effect.effectId)
        .set({ idempotency_key: key })
        .where("status", "<>", "succeeded")
        .execute();
      return { ...effect, idempotencyKey: key };
    },
    forgive: async (id, attempts) => {
      await update(id).set({ attempts_forgiven: attempts }).execute();
    },
    settle: async (id, as) => {
      await update(id).set({ settled_as: as, completed_at: sql`now()` }).execute();
    },
    begin: async (id, workflowId, payload, isProbe) => {
      const counted = isProbe ? 0 : 1;
      const begun = beginningOf({ id, workflowId, payload: jsonb(payload), counted });
      await later({ table: TABLE, kind: "update", row: id, compile: () => begun });
    },
    succeed: async (effect, tenantId, result) => {
      const { effectId, effectType, idempotencyKey } = effect;
      const happened = { effectId, effectType, idempotencyKey, tenantId, result: jsonb(result) };
      const succeeded = successOf(happened);
      const { rowCount } = await inOrder(client, keyLock(effect, tenantId), succeeded);
      return rowCount === 1;
    },
    fail: async (id, failure) => {
      const { numUpdatedRows } = await update(id)
        .set({
          status: "failed",
          error: failure.message,
          error_class: failure.errorClass,
          completed_at: sql`now()`,
        })
        .where("status", "=", "executing")
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
    satisfy: async (id, by) => {
      await update(id).set({ satisfied_by_effect_id: by }).execute();
    },
  };
}
