/**
 * Owns the step that writes an artifact (spec §24): its body or where that lies, what it replaces, whether it is what its
 * type promises. The artifact, its event and the result of the step are one commit (ART-6). A contract that cannot
 * say what to write fails the command; nothing half of it is kept.
 */
import type { Command } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { asId, decodeId, encodeId } from "../core/ids.ts";
import { digest, type JsonObject, unstorable } from "../core/json.ts";
import { issuesText } from "../core/validation.ts";
import { ARTIFACT_CHARACTERS_MAX, type Artifact, maySee } from "./artifacts.ts";
import { eventOf } from "./audit.ts";
import { guarded, viewOf } from "./contract-code.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";
import type { ArtifactStep } from "./tasks.ts";

export type Written = { readonly command: Command } | { readonly failure: Failure };

interface Draft {
  readonly title: string;
  readonly content: JsonObject;
  readonly location: string | null;
  /** As the contract says it: the outside id. */
  readonly replaces: string | null;
}

const LOCATION_CHARACTERS_MAX = 2_000;

export async function writeArtifact(
  tx: Tx,
  kit: Kit,
  command: Command,
  definition: ArtifactStep,
): Promise<Written> {
  const draft = draftOf(command, definition);
  if ("failure" in draft) return draft;
  const problem = draftProblem(kit, definition, draft);
  if (problem !== undefined) return { failure: problem };
  const parent = await parentOf(tx, command, definition, draft);
  if (parent !== undefined && "failure" in parent) return parent;
  return keep(tx, kit, command, definition, draft, parent);
}

function draftOf(
  command: Command,
  definition: ArtifactStep,
): Draft | { readonly failure: Failure } {
  const view = viewOf(command);
  const content = guarded(() => definition.content(view), "the artifact");
  if ("failure" in content) return content;
  const rest = guarded(
    () => ({
      title: String(definition.title(view)),
      location: definition.location?.(view) ?? null,
      replaces: definition.replaces?.(view) ?? null,
    }),
    "the artifact's title",
  );
  if ("failure" in rest) return rest;
  const { title, location, replaces } = rest.value;
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  return {
    title: String(title),
    content: content.value,
    location: text(location),
    replaces: text(replaces),
  };
}

function draftProblem(kit: Kit, { artifactType }: ArtifactStep, draft: Draft): Failure | undefined {
  const { content, location } = draft;
  if (JSON.stringify(content).length > ARTIFACT_CHARACTERS_MAX) {
    const message = `the artifact is larger than ${ARTIFACT_CHARACTERS_MAX} characters; keep it elsewhere and say its location`;
    return { errorClass: "malformed_payload", message };
  }
  const misplaced = location === null ? undefined : locationProblem(location);
  if (misplaced !== undefined) return { errorClass: "malformed_payload", message: misplaced };
  const issues = kit.catalog.artifactType(artifactType)?.validate?.(content) ?? [];
  if (issues.length === 0) return undefined;
  const message = `the artifact is not what ${artifactType} promises: ${issuesText(issues)}`;
  return { errorClass: "validation_error", message };
}

/** A reference that people and programs follow later: absolute, and without a secret in it. */
function locationProblem(location: string): string | undefined {
  if (location.length > LOCATION_CHARACTERS_MAX) return "the artifact's location is too long";
  const unusable =
    unstorable(location) !== undefined || !/^[a-z][a-z0-9+.-]*:\/\/\S+$/.test(location);
  if (unusable) return "the artifact's location is no reference such as s3://bucket/key";
  const [authority = ""] = location.replace(/^[^/]*\/\//, "").split(/[/?#]/);
  return authority.includes("@") ? "the artifact's location holds credentials" : undefined;
}

/** The version before, of the same tenant and type (ART-7). */
async function parentOf(
  tx: Tx,
  command: Command,
  { artifactType }: ArtifactStep,
  { replaces }: Draft,
): Promise<Artifact | { readonly failure: Failure } | undefined> {
  if (replaces === null) return undefined;
  const id = decodeId("artifact", replaces);
  const parent = id === undefined ? undefined : await tx.artifacts.find(id, command.tenantId);
  if (parent?.artifactType === artifactType && maySee(parent, command.context.actor)) return parent;
  const message = `there is no ${artifactType} of that id to make a new version of`;
  return { failure: { errorClass: "validation_error", message } };
}

async function keep(
  tx: Tx,
  kit: Kit,
  command: Command,
  { artifactType, id: stepId, dependsOn = [] }: ArtifactStep,
  { title, content, location }: Draft,
  parent: Artifact | undefined,
): Promise<Written> {
  const artifactId = asId("artifact", kit.newId());
  const external = encodeId("artifact", artifactId);
  const type = kit.catalog.artifactType(artifactType);
  const isChecked = type?.validate !== undefined;
  const isNew = await tx.artifacts.insert({
    artifactId,
    tenantId: command.tenantId,
    commandId: command.commandId,
    stepId,
    artifactType,
    version: (parent?.version ?? 0) + 1,
    parentArtifactId: parent?.artifactId ?? null,
    title,
    status: "created",
    visibility: type?.visibility ?? "tenant",
    content,
    location,
    checksum: digest(kit.hash, content),
    lineage: { command_id: encodeId("command", command.commandId), steps: [...dependsOn] },
    creator: command.requestedBy,
  });
  if (!isNew) {
    const message = `"${parent?.title ?? title}" has a newer version already; read that one first`;
    return { failure: { errorClass: "validation_error", message } };
  }
  if (isChecked) await tx.artifacts.move(artifactId, "created", "validated");
  const result = { artifact_id: external, artifact_type: artifactType };
  await tx.commands.setStepResult(command.commandId, stepId, result);
  const replaced =
    parent === undefined
      ? {}
      : { version: parent.version + 1, replaces: encodeId("artifact", parent.artifactId) };
  const about = { target: { type: "artifact", id: external } };
  await tx.events.append([
    eventOf(command, "artifact_created", { ...result, title, ...replaced }, about),
  ]);
  return {
    command: { ...command, stepResults: { ...command.stepResults, [stepId]: result } },
  };
}
