/**
 * Owns reading something from the gateway for a page and keeping it current: again after a reconnect, when `version`
 * grows, and on demand. What was read last stays on the page while it is read again.
 */
import { useCallback, useEffect, useRef, useState } from "react";
import { explainError } from "./explain-error.ts";
import { useGatewayState } from "./use-gateway.ts";

export type Loaded<T> = {
  /** Reads again; what is shown stays until then. */
  readonly reload: () => void;
  /** Puts in what an action answered. */
  readonly put: (change: (value: T) => T) => void;
} & (
  | { readonly status: "loading" }
  | { readonly status: "failed"; readonly reason: string }
  | {
      readonly status: "ready";
      readonly value: T;
      /** Why what is shown may be behind. */
      readonly stale: string | null;
    }
);

interface Answer<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly failure: string | null;
}

/** `key` names what is read: with another one, what was shown is something else. */
export function useLoaded<T>(
  key: string,
  read: (signal: AbortSignal) => Promise<T>,
  version = 0,
): Loaded<T> {
  const [answer, setAnswer] = useState<Answer<T> | null>(null);
  const [asked, setAsked] = useState(0);
  const connected = useGatewayState((state) => state.connection.state === "connected");
  const reading = useRef(read);
  reading.current = read;
  const reload = useCallback(() => setAsked((count) => count + 1), []);
  const put = useCallback((change: (value: T) => T) => {
    setAnswer((last) =>
      last?.value === undefined ? last : { ...last, value: change(last.value) },
    );
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new key, version, connection or wish is the reason to read.
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    reading
      .current(signal)
      .then((value) => {
        if (!signal.aborted) setAnswer({ key, value, failure: null });
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        const failure = explainError(error);
        setAnswer((last) => ({ key, value: last?.key === key ? last.value : undefined, failure }));
      });
    return () => controller.abort();
  }, [key, version, connected, asked]);

  if (answer === null || answer.key !== key) return { status: "loading", reload, put };
  if (answer.value === undefined) {
    const reason = answer.failure ?? "It cannot be read right now.";
    return { status: "failed", reason, reload, put };
  }
  return { status: "ready", value: answer.value, stale: answer.failure, reload, put };
}
