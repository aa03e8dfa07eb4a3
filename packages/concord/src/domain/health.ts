/** Owns how the health of a running Concord is told (OPS-8): what it stands on, part by part. */
import type { JsonObject } from "../core/json.ts";

export interface HealthPart {
  readonly ok: boolean;
  /** What is wrong; null when nothing is. */
  readonly problem: string | null;
  readonly facts: JsonObject;
}

export interface Health {
  /** Every part is. */
  readonly ok: boolean;
  readonly parts: {
    readonly database: HealthPart;
    readonly runtime: HealthPart;
    readonly schedules: HealthPart;
    /** The loop that finds commands whose run was lost. */
    readonly reconciler: HealthPart;
  };
}
