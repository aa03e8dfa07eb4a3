/** Owns reading where an artifact comes from and what came of it (ART-5), one step each way, bounded. */
import type { Pool } from "pg";
import { type ArtifactId, asId } from "../../core/ids.ts";
import { stepsBefore } from "../../core/planning.ts";
import type { Artifact, ArtifactRef, CommandRef, Lineage } from "../../domain/artifacts.ts";
import { commandOf } from "../repositories/commands.ts";
import { overPool } from "../schema.ts";

/** More than anybody reads; who wants all of it walks on from there. */
const REFERENCES_MAX = 200;

type Db = ReturnType<typeof overPool>;

/** `artifact` is one that the caller may see; everything near it is of the same tenant. */
export async function readLineage(pool: Pool, artifact: Artifact): Promise<Lineage> {
  const db = overPool(pool);
  const [source, read, readers, versions] = await Promise.all([
    sourceOf(db, artifact),
    readBy(db, artifact),
    readersOf(db, artifact.artifactId),
    versionsAfter(db, artifact.artifactId),
  ]);
  const written = await writtenBy(db, readers);
  return {
    artifact,
    upstream: { ...source, artifacts: read },
    downstream: { commands: readers, artifacts: [...versions, ...written] },
  };
}

async function sourceOf(
  db: Db,
  { commandId, stepId }: Artifact,
): Promise<Omit<Lineage["upstream"], "artifacts">> {
  const row = await db
    .selectFrom("concord.commands")
    .selectAll()
    .where("command_id", "=", commandId)
    .executeTakeFirstOrThrow();
  const { taskName, plan, parentCommandId, context } = commandOf(row);
  const before = stepsBefore(plan?.steps ?? [], stepId);
  const calls =
    before.length === 0
      ? []
      : await db
          .selectFrom("concord.connector_invocations")
          .select(["connector_name", "operation", "step_id", "completed_at"])
          .where("command_id", "=", commandId)
          .where("status", "=", "succeeded")
          .where("step_id", "in", before)
          .orderBy("completed_at")
          .limit(REFERENCES_MAX)
          .execute();
  const { agentType } = context.agentCall ?? {};
  const turn =
    parentCommandId === null || agentType === undefined
      ? null
      : { commandId: parentCommandId, taskName: "agent.turn", agentType };
  return {
    command: { commandId, taskName },
    turn,
    calls: calls.map((one) => ({
      connector: one.connector_name,
      operation: one.operation,
      stepId: one.step_id,
      completedAt: one.completed_at?.toISOString() ?? "",
    })),
  };
}

/** What it replaces, and what its command read. */
async function readBy(
  db: Db,
  { commandId, parentArtifactId }: Artifact,
): Promise<readonly ArtifactRef[]> {
  const rows = await references(db)
    .where(({ or, eb, selectFrom }) =>
      or([
        eb(
          "artifact_id",
          "in",
          selectFrom("concord.artifact_reads")
            .select("concord.artifact_reads.artifact_id")
            .where("concord.artifact_reads.command_id", "=", commandId),
        ),
        ...(parentArtifactId === null ? [] : [eb("artifact_id", "=", parentArtifactId)]),
      ]),
    )
    .execute();
  return rows.map(refOf);
}

async function readersOf(db: Db, artifactId: ArtifactId): Promise<readonly CommandRef[]> {
  const rows = await db
    .selectFrom("concord.artifact_reads")
    .innerJoin(
      "concord.commands",
      "concord.commands.command_id",
      "concord.artifact_reads.command_id",
    )
    .select(["concord.commands.command_id", "concord.commands.task_name"])
    .where("concord.artifact_reads.artifact_id", "=", artifactId)
    .orderBy("concord.commands.command_id")
    .limit(REFERENCES_MAX)
    .execute();
  return rows.map((row) => ({
    commandId: asId("command", row.command_id),
    taskName: row.task_name,
  }));
}

async function versionsAfter(db: Db, artifactId: ArtifactId): Promise<readonly ArtifactRef[]> {
  const rows = await references(db).where("parent_artifact_id", "=", artifactId).execute();
  return rows.map(refOf);
}

async function writtenBy(db: Db, readers: readonly CommandRef[]): Promise<readonly ArtifactRef[]> {
  if (readers.length === 0) return [];
  const ids = readers.map((one) => one.commandId);
  const rows = await references(db)
    .where("command_id", "in", ids)
    .where("status", "<>", "draft")
    .execute();
  return rows.map(refOf);
}

function references(db: Db) {
  return db
    .selectFrom("concord.artifacts")
    .select(["artifact_id", "artifact_type", "version"])
    .orderBy("artifact_id")
    .limit(REFERENCES_MAX);
}

function refOf(row: {
  readonly artifact_id: string;
  readonly artifact_type: string;
  readonly version: number;
}): ArtifactRef {
  return {
    artifactId: asId("artifact", row.artifact_id),
    artifactType: row.artifact_type,
    version: row.version,
  };
}
