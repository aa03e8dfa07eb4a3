/**
 * Owns stopping contract code that does not end. JavaScript cannot be interrupted from inside, so the engine's own
 * watchdog does it; the thread is held for that long, which is why the limit is short.
 */
import { createContext, type Context as Realm, runInContext } from "node:vm";

/** Code that had to be stopped. */
export class TimeLimitExceeded extends Error {
  constructor(timeoutMs: number) {
    super(`it did not end within ${timeoutMs} ms`);
    this.name = "TimeLimitExceeded";
  }
}

let realm: Realm | undefined;

/** Runs synchronous `work`; throws what it throws, or `TimeLimitExceeded` once it took longer than `timeoutMs`. */
export function withinTime<T>(timeoutMs: number, work: () => T): T {
  realm ??= createContext({});
  const box: { value?: { readonly is: T }; run: () => void } = {
    run: () => {
      box.value = { is: work() };
    },
  };
  Object.assign(realm, { box });
  try {
    runInContext("box.run()", realm, { timeout: timeoutMs });
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    throw code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? new TimeLimitExceeded(timeoutMs) : error;
  }
  if (box.value === undefined) throw new TimeLimitExceeded(timeoutMs);
  return box.value.is;
}
