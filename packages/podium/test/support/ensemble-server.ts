/**
 * An Ensemble for tests: a real HTTP server that speaks docs/wire.md §5's stream. Each request is answered by
 * the next script; a script may wait, so that a test decides where a thought is cut.
 */

export type ScriptStep =
  | { readonly event: "block" | "done" | "error"; readonly data: unknown }
  | { readonly wait: Promise<unknown> };

export type Script =
  | { readonly status: number; readonly code: string }
  | { readonly steps: readonly ScriptStep[] };

export const API_KEY = "ens_test";

export const text = (piece: string): ScriptStep => ({
  event: "block",
  data: { type: "text", text: piece },
});
export const thinking = (piece: string): ScriptStep => ({
  event: "block",
  data: { type: "thinking", text: piece },
});
export const toolCall = (name: string, args: Record<string, unknown>): ScriptStep => ({
  event: "block",
  data: { type: "tool_call", id: `provider_${name}`, name, arguments: args },
});
export const done = (input: number, output: number): ScriptStep => ({
  event: "done",
  data: {
    id: "inf_1",
    model: "test",
    blocks: [],
    stop_reason: "end_turn",
    input_tokens: input,
    output_tokens: output,
    cost: "0.000000",
  },
});
export const never = (): ScriptStep => ({ wait: new Promise(() => {}) });

export interface AskedInference {
  readonly messages: { role: string; content: string }[];
  readonly [key: string]: unknown;
}

export class EnsembleServer {
  /** Bodies of the requests, in order. */
  readonly requests: AskedInference[] = [];
  readonly #scripts: Script[] = [];
  #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => this.#serve(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Answers the next unscripted request with these steps. */
  script(...steps: ScriptStep[]): void {
    this.#scripts.push({ steps });
  }

  scriptFailure(status: number, code: string): void {
    this.#scripts.push({ status, code });
  }

  stop(): void {
    this.#server.stop(true);
  }

  async #serve(request: Request): Promise<Response> {
    if (request.headers.get("authorization") !== `Bearer ${API_KEY}`)
      return refuse(401, "unauthorized");
    this.requests.push((await request.json()) as AskedInference);
    const script = this.#scripts.shift();
    if (script === undefined) return refuse(500, "no_script");
    return "steps" in script ? play(script.steps) : refuse(script.status, script.code);
  }
}

function play(steps: readonly ScriptStep[]): Response {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: async (stream) => {
      for (const step of steps) {
        if ("wait" in step) await step.wait;
        else if (!cancelled) stream.enqueue(encode(step));
      }
      if (!cancelled) stream.close();
    },
    cancel: () => {
      cancelled = true;
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function encode(step: { event: string; data: unknown }): Uint8Array {
  return new TextEncoder().encode(`event: ${step.event}\ndata: ${JSON.stringify(step.data)}\n\n`);
}

function refuse(status: number, code: string): Response {
  return Response.json({ error: { code, message: `refused with ${code}` } }, { status });
}
