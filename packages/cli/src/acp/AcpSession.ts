/** Owns one joined session as a client of the Agent Client Protocol lives it: its past, its turns, its questions. */
import type { AgentContext, SessionUpdate, StopReason } from "@agentclientprotocol/sdk";
import type { DiminuendoClient, SessionEvent, SessionMeta } from "@concert/sdk";
import type { Outbox } from "./Outbox.ts";
import { Permissions } from "./Permissions.ts";
import { Prompts } from "./Prompts.ts";
import { Translation } from "./Translation.ts";

export interface SessionPorts {
  readonly gateway: DiminuendoClient;
  readonly client: AgentContext;
  readonly outbox: Outbox;
  readonly log: (line: string) => void;
}

export class AcpSession {
  readonly sessionId: string;
  readonly #ports: SessionPorts;
  readonly #translation = new Translation();
  readonly #prompts: Prompts;
  readonly #permissions: Permissions;
  #isSilent = false;

  constructor(sessionId: string, ports: SessionPorts) {
    this.sessionId = sessionId;
    this.#ports = ports;
    this.#prompts = new Prompts(sessionId, ports.gateway);
    this.#permissions = new Permissions({ ...ports, tell: (updates) => this.#tell(updates) });
  }

  /** Resolves once the past is known; `replay` tells it to the client. */
  async join(replay: boolean): Promise<void> {
    this.#isSilent = !replay;
    await this.#ports.gateway.joinSession(this.sessionId);
    this.#isSilent = false;
    await this.#ports.outbox.flushed();
    this.#permissions.goLive();
  }

  receive(event: SessionEvent): void {
    // Before the prompt hears of its end: afterwards the turn is nobody's.
    const isOwn = this.#prompts.isOwn(event);
    this.#tell(this.#translation.updatesOf(event, { isOwn }));
    this.#permissions.receive(event);
    this.#prompts.receive(event);
  }

  /** The log was lost or rewritten; everything is told anew. */
  reset(): void {
    this.#translation.forget();
    this.#permissions.closeAll();
  }

  renamed({ name, updatedAt }: SessionMeta): void {
    const update = { title: name, updatedAt: new Date(updatedAt).toISOString() };
    this.#tell([{ sessionUpdate: "session_info_update", ...update }]);
  }

  /** Resolves with how the turn ended, after everything of it was told. */
  async prompt(text: string): Promise<StopReason> {
    const stopReason = await this.#prompts.run(text);
    await this.#ports.outbox.flushed();
    return stopReason;
  }

  cancel(): Promise<void> {
    return this.#prompts.cancel();
  }

  /** The connection ended for good; a new sign-in joins where it stopped. */
  disconnected(error: Error): void {
    this.#prompts.fail(error);
  }

  end(error: Error): void {
    this.#permissions.closeAll();
    this.#prompts.fail(error);
  }

  #tell(updates: readonly SessionUpdate[]): void {
    if (!this.#isSilent) this.#ports.outbox.tell(this.sessionId, updates);
  }
}
