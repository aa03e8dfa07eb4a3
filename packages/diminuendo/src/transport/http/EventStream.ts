/**
 * Owns a reader that is a stream of server-sent events: what waits for it is bounded like a socket's, and who reads too
 * slowly is cut off with its last event id in hand. Source: HTML Standard, "Server-sent events".
 */
import type { Reader } from "../Reader.ts";

const WAITING_BYTES_MAX = 1_048_576;
const KEEP_AWAKE_MS = 15_000;
/** Then it ends, and its reader comes back with its last event id, and is asked again who it is. */
const LASTS_MS = 300_000;

export interface EventStreamNeeds {
  /** Hears a topic; the result ends it. */
  readonly listen: (topic: string, listener: (text: string) => void) => () => void;
  /** The reader is gone, whoever ended it. */
  readonly onClosed: () => void;
}

export class EventStream implements Reader {
  readonly body: ReadableStream<Uint8Array>;
  /** Put before each event's number, so that a reader comes back to the same log or is told that it is gone. */
  #epoch = "";
  readonly #needs: EventStreamNeeds;
  readonly #topics = new Map<string, () => void>();
  readonly #encoder = new TextEncoder();
  readonly #keepAwake: ReturnType<typeof setInterval>;
  readonly #lifetime: ReturnType<typeof setTimeout>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #onDrain: (() => void)[] = [];

  constructor(needs: EventStreamNeeds, lastsMs = LASTS_MS) {
    this.#needs = needs;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#drained(),
        cancel: () => this.#end(),
      },
      { highWaterMark: WAITING_BYTES_MAX, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    this.#keepAwake = setInterval(() => this.write(": awake\n\n"), KEEP_AWAKE_MS);
    this.#lifetime = setTimeout(() => this.lapsed(), lastsMs);
  }

  get isClosed(): boolean {
    return this.#controller === null;
  }

  /** A reader who knew another log is told to forget it. */
  begin(epoch: string, known: string): void {
    this.#epoch = epoch;
    if (known !== epoch) this.write(`event: reset\ndata: ${JSON.stringify({ epoch })}\n\n`);
  }

  sendText(text: string): void {
    const { type, seq } = JSON.parse(text) as { readonly type: string; readonly seq: number };
    this.write(`id: ${this.#epoch}:${seq}\nevent: ${type}\ndata: ${text}\n\n`);
    this.closeIfSlow();
  }

  closeIfSlow(): boolean {
    if (this.#controller !== null && (this.#controller.desiredSize ?? 0) < 0) this.close();
    return this.isClosed;
  }

  close(): void {
    const controller = this.#controller;
    this.#end();
    controller?.close();
  }

  async drainedBelow(bytes: number): Promise<void> {
    while (this.#controller !== null && this.#waiting() > bytes) {
      await new Promise<void>((resolve) => this.#onDrain.push(resolve));
    }
  }

  subscribe(topic: string): void {
    if (this.isClosed || this.#topics.has(topic)) return;
    this.#topics.set(
      topic,
      this.#needs.listen(topic, (text) => this.sendText(text)),
    );
  }

  unsubscribe(topic: string): void {
    this.#topics.get(topic)?.();
    this.#topics.delete(topic);
  }

  unsubscribeAll(): void {
    for (const topic of [...this.#topics.keys()]) this.unsubscribe(topic);
  }

  #waiting(): number {
    return WAITING_BYTES_MAX - (this.#controller?.desiredSize ?? WAITING_BYTES_MAX);
  }

  /** It has lasted as long as it may. */
  protected lapsed(): void {
    this.close();
  }

  protected write(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }

  #drained(): void {
    const waiting = this.#onDrain;
    this.#onDrain = [];
    for (const resolve of waiting) resolve();
  }

  #end(): void {
    if (this.#controller === null) return;
    this.#controller = null;
    clearInterval(this.#keepAwake);
    clearTimeout(this.#lifetime);
    this.unsubscribeAll();
    this.#drained();
    this.#needs.onClosed();
  }
}
