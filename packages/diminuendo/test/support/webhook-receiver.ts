/** A receiver of webhooks for tests: a real HTTP server that checks signatures as Standard Webhooks says, and notes all. */
import { createHmac } from "node:crypto";

const KEY = Buffer.alloc(32, 7);
export const WEBHOOK_SECRET = `whsec_${KEY.toString("base64")}`;
/** Where the gateway under test finds it. */
export const SECRET_REF = "env:DIMINUENDO_WEBHOOK_ACME__TEST";
/** A gateway may send to it. */
export const REACH_RECEIVER = [
  "--webhook-plain-http=true",
  "--webhook-private-ranges=127.0.0.0/8",
] as const;

export interface ReceivedMessage {
  readonly id: string;
  readonly text: string;
  readonly body: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
  readonly isSigned: boolean;
}

export class WebhookReceiver {
  readonly messages: ReceivedMessage[] = [];
  /** How the next messages are answered; afterwards 204. `hang`: never. */
  readonly answers: (number | "hang")[] = [];
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) => this.#receive(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/hook`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  async #receive(request: Request): Promise<Response> {
    const text = await request.text();
    const header = (name: string) => request.headers.get(`webhook-${name}`) ?? "";
    const signed = createHmac("sha256", KEY)
      .update(`${header("id")}.${header("timestamp")}.${text}`)
      .digest("base64");
    const isSigned = header("signature") === `v1,${signed}`;
    this.messages.push({ id: header("id"), text, body: JSON.parse(text), isSigned });
    const answer = this.answers.shift() ?? 204;
    if (answer === "hang") return new Promise(() => {});
    return new Response(null, { status: answer });
  }
}
