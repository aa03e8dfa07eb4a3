/** Owns what an artifact is: a result that lasts, readable by its tenant, never edited. */
import type { Principal } from "../core/command.ts";
import type { ArtifactId, CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { ArtifactStatus } from "../core/vocabulary.ts";

/** `requester`: whoever asked for it, owners and auditors. */
export const ARTIFACT_VISIBILITIES = ["tenant", "requester"] as const;
export type ArtifactVisibility = (typeof ARTIFACT_VISIBILITIES)[number];

/** Whether `principal`, of its tenant, may read it. */
export function maySee(
  { visibility, status, creator }: Pick<Artifact, "visibility" | "status" | "creator">,
  { user, roles }: Pick<Principal, "user" | "roles">,
): boolean {
  if (visibility === "tenant" || status === "published" || creator === user) return true;
  return roles.includes("owner") || roles.includes("auditor");
}

export interface Artifact {
  readonly artifactId: ArtifactId;
  readonly tenantId: string;
  readonly commandId: CommandId;
  readonly stepId: string;
  readonly artifactType: string;
  /** One more than that of the artifact it replaces. */
  readonly version: number;
  readonly parentArtifactId: ArtifactId | null;
  readonly title: string;
  readonly status: ArtifactStatus;
  /** Fixed when it is written; what is published everybody of the tenant may read. */
  readonly visibility: ArtifactVisibility;
  readonly content: JsonObject;
  /** Where the body lies when it is not `content`; a reference without credentials. */
  readonly location: string | null;
  readonly checksum: string;
  readonly lineage: JsonObject;
  readonly creator: string;
  readonly createdAt: string;
}

/** Where an artifact comes from and what came of it; artifacts and commands by their outside ids (ART-5). */
export interface Lineage {
  readonly artifact: Artifact;
  readonly upstream: {
    readonly command: CommandRef;
    /** The agent's turn that proposed the command. */
    readonly turn: (CommandRef & { readonly agentType: string }) | null;
    /** Calls of connectors that had succeeded before it was written. */
    readonly calls: readonly {
      readonly connector: string;
      readonly operation: string;
      readonly stepId: string;
      readonly completedAt: string;
    }[];
    /** What it replaces, and what its command read. */
    readonly artifacts: readonly ArtifactRef[];
  };
  readonly downstream: {
    /** Those that read it. */
    readonly commands: readonly CommandRef[];
    /** What replaces it, and what those commands wrote. */
    readonly artifacts: readonly ArtifactRef[];
  };
}

export interface CommandRef {
  readonly commandId: CommandId;
  readonly taskName: string;
}

export interface ArtifactRef {
  readonly artifactId: ArtifactId;
  readonly artifactType: string;
  readonly version: number;
}

/** ART-4: larger content belongs in a store of its own, by reference. */
export const ARTIFACT_CHARACTERS_MAX = 262_144;
