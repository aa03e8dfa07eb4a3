/** Owns answering one approval: what was clicked, whether it is on its way, why it failed. */
import type { Decision } from "@concert/sdk";
import { useCallback, useState } from "react";
import { explainError } from "../../lib/explain-error.ts";
import { useGateway } from "../../lib/use-gateway.ts";

export interface Answering {
  /** What was clicked, until the record says how it was decided. */
  readonly pending: Decision | null;
  readonly failure: string | null;
  readonly decide: (decision: Decision, reason: string) => void;
}

export function useApproval(sessionId: string, approvalId: string): Answering {
  const gateway = useGateway();
  const [pending, setPending] = useState<Decision | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const decide = useCallback(
    (decision: Decision, reason: string) => {
      setPending(decision);
      setFailure(null);
      gateway.answer(sessionId, approvalId, decision, reason).catch((error: unknown) => {
        setPending(null);
        setFailure(explainError(error));
      });
    },
    [gateway, sessionId, approvalId],
  );
  return { pending, failure, decide };
}
