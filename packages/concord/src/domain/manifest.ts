/** Owns the recorded form of a declared compensation: what a plan remembers, and what a later start is compared with. */
import type { CompensationManifest } from "../core/compensation.ts";
import type { CompensationDefinition } from "./tasks.ts";

/** The manifest of a compensation as it is declared today. */
export function manifestOf(definition: CompensationDefinition): CompensationManifest {
  const { name, connector, operation } = definition;
  return {
    name,
    connector,
    operation,
    produces: definition.produces ?? [],
    counterEffects: definition.counterEffects ?? false,
    after: definition.after ?? [],
  };
}
