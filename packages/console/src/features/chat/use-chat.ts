/** Owns one open session for the conversation: follows it while it is on the page, sends, stops. */
import { emptySessionView } from "@concert/sdk";
import { useCallback, useEffect, useMemo, useState } from "react";
import { explainError } from "../../lib/explain-error.ts";
import type { OutboxMessage } from "../../lib/gateway-state.ts";
import { useAction } from "../../lib/use-action.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { threadRows } from "./chat.ts";

const NO_MESSAGES: readonly OutboxMessage[] = [];

export function useChat(sessionId: string) {
  const gateway = useGateway();
  const known = useGatewayState((state) => state.views[sessionId]);
  const outbox = useGatewayState((state) => state.outbox[sessionId] ?? NO_MESSAGES);
  const joining = useGatewayState((state) => state.joins[sessionId]);
  const view = useMemo(() => known ?? emptySessionView(sessionId), [known, sessionId]);
  const rows = useMemo(() => threadRows(view, outbox), [view, outbox]);

  const reopen = useCallback(() => void gateway.openSession(sessionId), [gateway, sessionId]);
  useEffect(() => {
    reopen();
    return () => gateway.closeSession(sessionId);
  }, [gateway, sessionId, reopen]);

  const send = useCallback(
    (text: string, key: string = crypto.randomUUID()) => void gateway.send(sessionId, text, key),
    [gateway, sessionId],
  );
  const discard = useCallback(
    (key: string) => gateway.discard(sessionId, key),
    [gateway, sessionId],
  );
  const sending = outbox.some((message) => message.failure === null);
  const running = view.activeTurnId !== null || sending;
  const stopping = useStop(sessionId, view.activeTurnId);
  const meanwhile = useMeanwhile(sessionId);
  return { view, rows, joining, running, reopen, send, discard, ...stopping, ...meanwhile };
}

/** Asks for a stop; "stopping" lasts until the turn has really ended, not until the request was heard. */
function useStop(sessionId: string, activeTurnId: string | null) {
  const gateway = useGateway();
  const [asked, setAsked] = useState<{ turnId: string | null; failure: string | null }>({
    turnId: null,
    failure: null,
  });
  const stop = useCallback(() => {
    if (activeTurnId === null) return;
    setAsked({ turnId: activeTurnId, failure: null });
    gateway
      .stop(sessionId)
      .catch((error: unknown) => setAsked({ turnId: null, failure: explainError(error) }));
  }, [gateway, sessionId, activeTurnId]);
  const stopping = activeTurnId !== null && asked.turnId === activeTurnId;
  return { stop, stopping, stopFailure: activeTurnId === null ? null : asked.failure };
}

/** Words while a turn runs. They resolve with whether the gateway has them: until then they stay where they were typed. */
function useMeanwhile(sessionId: string) {
  const gateway = useGateway();
  const { run, failure } = useAction();
  const steer = useCallback(
    (text: string) => run("steer", () => gateway.steer(sessionId, text, crypto.randomUUID())),
    [gateway, sessionId, run],
  );
  const enqueue = useCallback(
    (text: string) => run("enqueue", () => gateway.enqueue(sessionId, text, crypto.randomUUID())),
    [gateway, sessionId, run],
  );
  const dequeue = useCallback(
    (turnId: string) => void run("dequeue", () => gateway.dequeue(sessionId, turnId)),
    [gateway, sessionId, run],
  );
  return { steer, enqueue, dequeue, meanwhileFailure: failure?.reason ?? null };
}
