/**
 * Owns the dumb twin of linearizability.ts: tries every order of the operations that their times allow
 * (Wing and Gong, 1993). Exponential, so only for histories of a handful; obvious, so that the two agreeing
 * on thousands of random ones means something. Pure.
 */
import type { Operation } from "./linearizability.ts";

interface Register {
  readonly value: string;
  readonly version: number;
}

export function isLinearizable(history: readonly Operation[]): boolean {
  const said = history.filter(({ kind, answeredMs }) => kind === "write" || answeredMs < Infinity);
  return canGoOn(said, { value: "", version: 0 });
}

/** Whether the operations left can follow a register that is at `register`. */
function canGoOn(left: readonly Operation[], register: Register): boolean {
  // What was never answered need never have happened.
  if (left.every(({ answeredMs }) => answeredMs === Infinity)) return true;
  const firstAnswerMs = Math.min(...left.map(({ answeredMs }) => answeredMs));
  return left.some((operation) => {
    if (operation.calledMs > firstAnswerMs) return false;
    const next = after(register, operation);
    return (
      next !== null &&
      canGoOn(
        left.filter((one) => one !== operation),
        next,
      )
    );
  });
}

/** The register after `operation`, or null when it cannot have happened here with its answer. */
function after(register: Register, operation: Operation): Register | null {
  if (operation.kind === "read") {
    const { value, version } = operation;
    return value === register.value && version === register.version ? register : null;
  }
  const { cas, answer, value } = operation;
  const holds = cas === null || cas === register.version;
  if (answer !== null && typeof answer !== "number") {
    return !holds && answer.actual === register.version ? register : null;
  }
  // An unknown write on a condition that fails changes nothing: it may as well happen later, or never.
  if (!holds) return null;
  const version = register.version + 1;
  return answer === null || answer === version ? { value, version } : null;
}
