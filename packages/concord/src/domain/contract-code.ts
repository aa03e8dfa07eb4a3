/** Owns running code that contract authors wrote: what it sees, and that nothing it does escapes as an exception. */
import type { Command } from "../core/command.ts";
import { type Failure, failureOf } from "../core/errors.ts";
import { isJsonObject, type JsonObject, toJson, unstorable } from "../core/json.ts";
import type { StepView } from "./tasks.ts";

export function viewOf(command: Command): StepView {
  return {
    payload: command.payload,
    facts: command.facts,
    results: command.stepResults,
    requester: command.context.actor,
  };
}

/** Runs contract code that should be pure; whatever it throws or returns becomes a value. */
export function guarded(
  make: () => JsonObject,
  what: string,
): { readonly value: JsonObject } | { readonly failure: Failure } {
  try {
    const value = toJson(make());
    const problem = isJsonObject(value) ? unstorable(value, what) : `${what} is not an object`;
    if (problem !== undefined || !isJsonObject(value)) {
      return { failure: { errorClass: "malformed_payload", message: problem ?? what } };
    }
    return { value };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}
