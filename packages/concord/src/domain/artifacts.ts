/** Owns what an artifact is: a result that lasts, readable by its tenant, never edited. */
import type { ArtifactId, CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";

export interface Artifact {
  readonly artifactId: ArtifactId;
  readonly tenantId: string;
  readonly commandId: CommandId;
  readonly stepId: string;
  readonly artifactType: string;
  readonly version: number;
  readonly title: string;
  readonly status: string;
  readonly content: JsonObject;
  readonly checksum: string;
  readonly lineage: JsonObject;
  readonly creator: string;
  readonly createdAt: string;
}

/** ART-4: larger content belongs in a store of its own, by reference. */
export const ARTIFACT_CHARACTERS_MAX = 262_144;
