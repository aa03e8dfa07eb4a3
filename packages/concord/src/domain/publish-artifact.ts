/**
 * Owns the step that publishes an artifact (spec §24, §46; ART-8): from then on everybody of the tenant may read it and it
 * never changes. The type says whether a person has to agree first; what is not so agreed fails the command.
 */
import type { Command } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { decodeId, encodeId } from "../core/ids.ts";
import { type Artifact, maySee } from "./artifacts.ts";
import { eventOf } from "./audit.ts";
import { guarded, viewOf } from "./contract-code.ts";
import { boundHash } from "./gate.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";
import type { PublishStep } from "./tasks.ts";
import type { Written } from "./write-artifact.ts";

export async function publishArtifact(
  tx: Tx,
  kit: Kit,
  command: Command,
  { id: stepId, artifact: idOf }: PublishStep,
): Promise<Written> {
  const named = guarded(() => ({ id: idOf(viewOf(command)) }), "the artifact to publish");
  if ("failure" in named) return named;
  const artifactId = decodeId("artifact", String(named.value["id"]));
  const artifact =
    artifactId === undefined ? undefined : await tx.artifacts.find(artifactId, command.tenantId);
  if (artifact === undefined || !maySee(artifact, command.context.actor)) {
    return { failure: invalid("there is no artifact of that id to publish") };
  }
  const refused = await refusalOf(tx, kit, command, artifact);
  if (refused !== undefined) return { failure: refused };
  const isNew = await tx.artifacts.move(artifact.artifactId, "validated", "published");
  const external = encodeId("artifact", artifact.artifactId);
  const result = { artifact_id: external, artifact_type: artifact.artifactType };
  if (isNew) {
    const about = { target: { type: "artifact", id: external } };
    const told = { ...result, title: artifact.title };
    await tx.events.append([eventOf(command, "artifact_published", told, about)]);
  }
  return { command: await tx.commands.setStepResult(command.commandId, stepId, result) };
}

async function refusalOf(
  tx: Tx,
  kit: Kit,
  command: Command,
  { artifactType, status }: Artifact,
): Promise<Failure | undefined> {
  const { publication = "approval" } = kit.catalog.artifactType(artifactType) ?? {};
  if (publication === "never") return denied(`a ${artifactType} is never published`);
  if (publication === "approval" && !(await isApproved(tx, kit, command))) {
    return denied(`a ${artifactType} is published when a person agreed, and nobody was asked`);
  }
  if (status === "validated" || status === "published") return undefined;
  return invalid(
    `the ${artifactType} is ${status}; what fits the contentSchema of its type can be published`,
  );
}

/** Somebody agreed to this very command (G5). */
async function isApproved(tx: Tx, kit: Kit, command: Command): Promise<boolean> {
  if (command.plan === null) return false;
  const now = boundHash(kit, command, command.plan);
  const approvals = await tx.approvals.ofCommand(command.commandId);
  return approvals.some((one) => one.status === "approved" && one.boundHash === now);
}

const denied = (message: string): Failure => ({ errorClass: "policy_denied", message });
const invalid = (message: string): Failure => ({ errorClass: "validation_error", message });
