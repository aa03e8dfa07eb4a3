/** A client of Podium's native socket, as Diminuendo is one: keeps every frame it was sent. */
import type { Actor } from "@concert/service-kit";
import {
  ALICE,
  type LoggedEvent,
  PODIUM_KEY,
  type PodiumProcess,
  podiumToken,
  until,
} from "./podium-process.ts";

export interface ErrorFrame {
  readonly type: "error";
  readonly turn_id?: string;
  readonly error: { readonly code: string; readonly message: string };
}

export class AgentClient {
  readonly events: LoggedEvent[] = [];
  readonly errors: ErrorFrame[] = [];
  closeCode: number | undefined;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", (message) => {
      const frame = JSON.parse(String(message.data));
      (frame.type === "error" ? this.errors : this.events).push(frame);
    });
    socket.addEventListener("close", (event) => {
      this.closeCode = event.code;
    });
  }

  static async connect(podium: PodiumProcess, instanceId: string, after = 0) {
    const url = `${podium.url.replace("http", "ws")}/agent/${instanceId}?after=${after}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${PODIUM_KEY}` } });
    const client = new AgentClient(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("close", () => reject(new Error("the socket was refused")));
    });
    return client;
  }

  sendRaw(data: string): void {
    this.#socket.send(data);
  }

  async ask(turnId: string, text: string, actor: Actor = ALICE): Promise<void> {
    const content = { text, turn_id: turnId, session_id: "s1", actor: await podiumToken(actor) };
    this.sendRaw(JSON.stringify({ type: "process_message", content }));
  }

  /** As the gateway asks in the name of an automation. */
  async askFor(cause: object, turnId: string, text: string): Promise<void> {
    const content = { text, turn_id: turnId, session_id: "s1", actor: await podiumToken(ALICE) };
    this.sendRaw(JSON.stringify({ type: "process_message", content: { ...content, cause } }));
  }

  async steer(turnId: string, steerId: string, text: string): Promise<void> {
    const said = { type: "steer", turn_id: turnId, steer_id: steerId, text };
    this.sendRaw(JSON.stringify({ ...said, actor: await podiumToken(ALICE) }));
  }

  async stop(turnId: string, actor: Actor = ALICE): Promise<void> {
    const frame = { type: "stop_turn", turn_id: turnId, actor: await podiumToken(actor) };
    this.sendRaw(JSON.stringify(frame));
  }

  /** Waits for the next event of a type (of a turn, when given). */
  event(type: string, turnId?: string): Promise<LoggedEvent> {
    return until(() =>
      this.events.find(
        (e) => e.event_type === type && (turnId === undefined || e.turn_id === turnId),
      ),
    );
  }

  types(): string[] {
    return this.events.map((event) => event.event_type);
  }

  close(): void {
    this.#socket.close();
  }
}
