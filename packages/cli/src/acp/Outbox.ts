/** Owns the order of what is told to the client, and how much of it may wait for a client that does not read. */
import type { AgentContext, SessionUpdate } from "@agentclientprotocol/sdk";

const WAITING_MAX = 50_000;

export class Outbox {
  readonly #client: AgentContext;
  readonly #onStuck: (error: Error) => void;
  #waiting = 0;
  #sent: Promise<void> = Promise.resolve();

  /** `onStuck` hears why nothing more can be told. */
  constructor(client: AgentContext, onStuck: (error: Error) => void) {
    this.#client = client;
    this.#onStuck = onStuck;
  }

  tell(sessionId: string, updates: readonly SessionUpdate[]): void {
    for (const update of updates) {
      if (this.#waiting >= WAITING_MAX) {
        this.#onStuck(new Error(`the client does not read: ${WAITING_MAX} updates wait for it`));
        return;
      }
      this.#waiting += 1;
      this.#sent = this.#sent.then(() => this.#send(sessionId, update));
    }
  }

  /** Resolves once everything told so far is on its way. */
  flushed(): Promise<void> {
    return this.#sent;
  }

  async #send(sessionId: string, update: SessionUpdate): Promise<void> {
    try {
      await this.#client.notify("session/update", { sessionId, update });
    } catch (error) {
      this.#onStuck(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#waiting -= 1;
    }
  }
}
