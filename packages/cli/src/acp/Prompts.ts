/**
 * Owns the prompts that wait for their turns to end: which turn is whose, and how it ended. A turn is known by the
 * prompt's key before its id is, because events may overtake the answer that names it.
 */
import { RequestError, type StopReason } from "@agentclientprotocol/sdk";
import type { DiminuendoClient, SessionEvent } from "@concert/sdk";
import { GatewayError } from "@concert/sdk";

interface Prompt {
  turnId: string | undefined;
  cancelled: boolean;
  readonly ended: Promise<StopReason>;
  readonly end: (reason: StopReason) => void;
  readonly fail: (error: Error) => void;
}

export class Prompts {
  readonly #sessionId: string;
  readonly #gateway: DiminuendoClient;
  readonly #open = new Map<string, Prompt>();

  constructor(sessionId: string, gateway: DiminuendoClient) {
    this.#sessionId = sessionId;
    this.#gateway = gateway;
  }

  /** Asks for a turn and resolves with how it ended. Behind an open turn it waits. */
  async run(text: string): Promise<StopReason> {
    const idempotencyKey = crypto.randomUUID();
    const prompt = newPrompt();
    this.#open.set(idempotencyKey, prompt);
    try {
      const options = { idempotencyKey, whenBusy: "enqueue" } as const;
      const { turnId } = await this.#gateway.runTurn(this.#sessionId, text, options);
      prompt.turnId = turnId;
      if (prompt.cancelled) await this.#stop(turnId);
      return await prompt.ended;
    } finally {
      this.#open.delete(idempotencyKey);
    }
  }

  /** Whether the event belongs to a turn that was asked for here and has not ended yet. */
  isOwn(event: SessionEvent): boolean {
    return this.#promptOf(event) !== undefined;
  }

  receive(event: SessionEvent): void {
    const prompt = this.#promptOf(event);
    if (prompt === undefined) return;
    if (event.turnId !== undefined) prompt.turnId = event.turnId;
    if (event.type === "turn_dequeued") prompt.end("cancelled");
    if (event.type === "turn_complete") {
      prompt.end(event.status === "cancelled" ? "cancelled" : "end_turn");
    }
    if (event.type === "turn_error") {
      const data = { code: event.code, turnId: event.turnId };
      prompt.fail(RequestError.internalError(data, event.message));
    }
  }

  /** Stops every open turn of ours; each prompt then ends as `cancelled`. */
  async cancel(): Promise<void> {
    for (const prompt of this.#open.values()) {
      prompt.cancelled = true;
      if (prompt.turnId !== undefined) await this.#stop(prompt.turnId);
    }
  }

  fail(error: Error): void {
    for (const prompt of this.#open.values()) prompt.fail(error);
  }

  #promptOf(event: SessionEvent): Prompt | undefined {
    const key = "idempotencyKey" in event ? event.idempotencyKey : undefined;
    const byKey = key === undefined ? undefined : this.#open.get(key);
    if (byKey !== undefined || event.turnId === undefined) return byKey;
    return [...this.#open.values()].find(({ turnId }) => turnId === event.turnId);
  }

  async #stop(turnId: string): Promise<void> {
    try {
      // The key lets it be asked again after a lost connection.
      const options = { turnId, idempotencyKey: crypto.randomUUID() };
      await this.#gateway.stopTurn(this.#sessionId, options);
    } catch (error) {
      // It ended by itself meanwhile: its event tells how.
      if (!(error instanceof GatewayError && error.code === "NoActiveTurn")) throw error;
    }
  }
}

function newPrompt(): Prompt {
  let end: Prompt["end"] = () => undefined;
  let fail: Prompt["fail"] = () => undefined;
  const ended = new Promise<StopReason>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  // Read by `run` once the turn is asked for; a failure before that is not unhandled.
  ended.catch(() => undefined);
  return { turnId: undefined, cancelled: false, ended, end, fail };
}
