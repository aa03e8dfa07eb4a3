/** Owns how a failure shows that a tenant went to another gateway meanwhile: nothing was done, and the other may be asked. */
import * as Cause from "effect/Cause";
import { StorageError } from "../db/WorkerManager.ts";
import { SessionGone } from "../session/session-log.ts";

export function wentElsewhere(cause: Cause.Cause<unknown>): boolean {
  const error = Cause.squash(cause);
  if (error instanceof StorageError) return error.superseded === true;
  return error instanceof SessionGone && error.gone === "moved";
}
