/** Owns how a store says that it could not do something. */
import * as Schema from "effect/Schema";

export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  doing: Schema.String,
  reason: Schema.String,
  /** Another gateway writes for this tenant now; nothing was written. */
  superseded: Schema.optionalKey(Schema.Boolean),
}) {}
