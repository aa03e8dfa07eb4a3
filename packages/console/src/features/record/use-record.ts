/** Owns fetching the record of a command and keeping it current: read again whenever something moved. */
import { useCallback, useEffect, useState } from "react";
import { explainError } from "../../lib/explain-error.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { type CommandRecord, readRecord } from "./record.ts";

export type RecordState =
  | { readonly status: "empty" }
  | { readonly status: "loading" }
  | { readonly status: "failed"; readonly reason: string; readonly retry: () => void }
  | {
      readonly status: "ready";
      readonly record: CommandRecord;
      /** Why what is shown may be behind, while it could not be read again. */
      readonly stale: string | null;
    };

const SETTLE_MS = 250;

interface Answer {
  readonly commandId: string;
  readonly record: CommandRecord | null;
  readonly failure: string | null;
}

/** `version` is the `seq` of the newest event about the command: when it grows, the record has grown. */
export function useRecord(commandId: string | null, version: number): RecordState {
  const gateway = useGateway();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [asked, setAsked] = useState(0);
  const connected = useGatewayState((state) => state.connection.state === "connected");
  const retry = useCallback(() => setAsked((count) => count + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version, connection or retry is the reason to read.
  useEffect(() => {
    if (commandId === null) return;
    const controller = new AbortController();
    const path = `/api/commands/${encodeURIComponent(commandId)}/timeline?descendants=true`;
    const timer = setTimeout(() => {
      gateway
        .fetchJson(path, controller.signal)
        .then((body) => setAnswer({ commandId, record: readRecord(body), failure: null }))
        .catch((error: unknown) => {
          if (controller.signal.aborted) return;
          const failure = explainError(error);
          setAnswer((last) => ({ commandId, record: recordOf(last, commandId), failure }));
        });
    }, SETTLE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [gateway, commandId, version, connected, asked]);

  if (commandId === null) return { status: "empty" };
  if (answer === null || answer.commandId !== commandId) return { status: "loading" };
  if (answer.record !== null) {
    return { status: "ready", record: answer.record, stale: answer.failure };
  }
  return { status: "failed", reason: answer.failure ?? "The record cannot be read.", retry };
}

/** What was read last stays on the page when it cannot be read again: an old record is still true. */
function recordOf(last: Answer | null, commandId: string): CommandRecord | null {
  return last?.commandId === commandId ? last.record : null;
}
