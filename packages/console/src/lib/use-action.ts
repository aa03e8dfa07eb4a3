/** Owns one thing at a time that somebody does on a page: which it is, whether it is on its way, why it failed. */
import { GatewayError } from "@concert/sdk";
import { useCallback, useRef, useState } from "react";
import { explainError } from "./explain-error.ts";

export interface Action {
  /** What is on its way. */
  readonly pending: string | null;
  /** What failed last, and why. */
  readonly failure: { readonly what: string; readonly reason: string } | null;
  /** What is wrong with single fields, by their path in the request. */
  readonly problems: Readonly<Record<string, string>>;
  /** Resolves with whether it worked. A second one waits for nobody: it is not begun while one is on its way. */
  readonly run: (what: string, work: () => Promise<unknown>) => Promise<boolean>;
}

const NONE: Action["problems"] = {};

export function useAction(): Action {
  const [pending, setPending] = useState<string | null>(null);
  const [failure, setFailure] = useState<Action["failure"]>(null);
  const [problems, setProblems] = useState<Action["problems"]>(NONE);
  const busy = useRef(false);
  const run = useCallback(async (what: string, work: () => Promise<unknown>) => {
    if (busy.current) return false;
    busy.current = true;
    setPending(what);
    setFailure(null);
    setProblems(NONE);
    try {
      await work();
      return true;
    } catch (error) {
      setFailure({ what, reason: explainError(error) });
      if (error instanceof GatewayError) setProblems(problemsOf(error));
      return false;
    } finally {
      busy.current = false;
      setPending(null);
    }
  }, []);
  return { pending, failure, problems, run };
}

function problemsOf({ problems }: GatewayError): Action["problems"] {
  return Object.fromEntries(problems.map(({ path, problem }) => [path, problem]));
}
