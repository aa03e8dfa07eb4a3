/**
 * Owns how a write and its outcome are remembered under a request id: a fingerprint to tell a retry from a
 * reuse, and the outcome without the values, which the retry brings along. Pure and deterministic (C5).
 */
import { createHash } from "node:crypto";
import type { WriteCommand } from "./command.ts";
import type { ApplyResult, WriteResult } from "./fsm.ts";

/** Equal for equal writes, whatever their id. One value sealed twice is two texts, with one digest. */
export function fingerprintOf({ actor, operations }: WriteCommand): string {
  const compared = operations.map((operation) => {
    const sealed = operation.op === "set" && operation.digest !== undefined;
    return sealed ? { ...operation, valueJson: "" } : operation;
  });
  return createHash("sha256")
    .update(JSON.stringify([actor, compared]))
    .digest("base64");
}

export function outcomeText(result: ApplyResult): string {
  if (result.kind !== "committed") return JSON.stringify(result);
  const results = result.results.map((one) =>
    one.op === "set" ? { op: "set", entry: { ...one.entry, value: "" } } : one,
  );
  return JSON.stringify({ ...result, results });
}

/** The outcome as it was first told, given the same write again. */
export function outcomeOf(text: string, { operations }: WriteCommand): ApplyResult {
  const result = JSON.parse(text) as ApplyResult;
  if (result.kind !== "committed") return result;
  const results = result.results.map((one, position): WriteResult => {
    const operation = operations[position];
    if (one.op !== "set" || operation?.op !== "set") return one;
    return { op: "set", entry: { ...one.entry, value: operation.valueJson } };
  });
  return { ...result, results };
}
