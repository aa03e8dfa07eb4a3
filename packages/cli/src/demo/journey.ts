/**
 * Owns the main journey as a client lives it: ask, wait for the approval, decide, wait for the answer.
 * Refuses to own: what is printed (the caller hears every event) and whether the world agrees afterwards.
 */
import { DiminuendoClient, type SessionEvent, type SessionEventOf } from "@concert/sdk";

export const REQUEST = "Book the Grand Hotel Miramar in Lisbon from 3 to 5 March for 2 guests";
const APPROVAL_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 60_000;

export interface JourneyHooks {
  readonly onEvent: (event: SessionEvent) => void;
  /** Runs while the approval is pending. */
  readonly onApproval: (request: SessionEventOf<"permission_requested">) => void | Promise<void>;
}

export interface JourneyResult {
  readonly sessionId: string;
  /** The command of the turn; its timeline with descendants is the record. */
  readonly commandId: string;
  readonly finalText: string;
}

/** Walks the journey through the gateway at `gatewayUrl` (http). Rejects when any stage fails or is late. */
export async function walkJourney(gatewayUrl: string, hooks: JourneyHooks): Promise<JourneyResult> {
  const client = new DiminuendoClient({ url: `${gatewayUrl.replace(/^http/, "ws")}/ws` });
  const events = new EventLog();
  client.on("event", (event) => {
    hooks.onEvent(event);
    events.add(event);
  });
  try {
    await client.connect();
    const { sessionId } = await client.createSession({ agentType: "concierge", name: "Lisbon" });
    await client.joinSession(sessionId);
    await client.runTurn(sessionId, REQUEST);
    const asked = await events.first("permission_requested", APPROVAL_TIMEOUT_MS);
    await hooks.onApproval(asked);
    await client.answerQuestion(sessionId, asked.requestId, { decision: "approved" });
    const done = await events.first("turn_complete", ANSWER_TIMEOUT_MS);
    return { sessionId, commandId: done.commandId, finalText: done.finalText };
  } finally {
    client.disconnect();
  }
}

/** The events so far, and who waits for the first of a kind. A turn that fails fails every wait. */
class EventLog {
  readonly #events: SessionEvent[] = [];
  readonly #wake = new Set<() => void>();

  add(event: SessionEvent): void {
    this.#events.push(event);
    for (const wake of this.#wake) wake();
  }

  async first<T extends SessionEvent["type"]>(
    type: T,
    timeoutMs: number,
  ): Promise<SessionEventOf<T>> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const found = this.#events.find((event) => event.type === type);
      if (found !== undefined) return found as SessionEventOf<T>;
      this.#refuseIfEnded(type);
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) throw new Error(`no ${type} within ${timeoutMs / 1000} s`);
      await this.#next(leftMs);
    }
  }

  #refuseIfEnded(expected: string): void {
    for (const event of this.#events) {
      if (event.type === "turn_error") {
        throw new Error(`the turn failed (${event.code}): ${event.message}`);
      }
      if (event.type === "turn_complete") {
        throw new Error(`the turn ended (${event.status}) without ${expected}: ${event.finalText}`);
      }
    }
  }

  #next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#wake.add(wake);
    });
  }
}
