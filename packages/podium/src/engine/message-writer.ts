/**
 * Owns the log's view of a message while it is thought: gathers pieces for a moment, so that a token does not
 * cost a transaction, and keeps text and thinking in order.
 */
import type { ThoughtEvent } from "../agents/agent.ts";
import type { EventDraft } from "../runs/podium-events.ts";

const GATHER_MS = 25;
const GATHER_CHARS = 256;

export class MessageWriter {
  readonly #message: { readonly message_id: string; readonly attempt: number };
  readonly #append: (drafts: readonly EventDraft[]) => void;
  readonly #onFailure: (error: unknown) => void;
  #kind: ThoughtEvent["kind"] = "text";
  #gathered = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `append` commits drafts; `onFailure` hears when a commit on the timer fails. */
  constructor(
    message: { message_id: string; attempt: number },
    append: (drafts: readonly EventDraft[]) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#message = message;
    this.#append = append;
    this.#onFailure = onFailure;
  }

  push(event: ThoughtEvent): void {
    if (event.text === "") return;
    if (event.kind !== this.#kind) this.#turnTo(event.kind);
    this.#gathered += event.text;
    if (this.#gathered.length >= GATHER_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flushOnTimer(), GATHER_MS);
  }

  /** Stops the timer and returns what is still to be committed, to go with the move in one transaction. */
  finish(): EventDraft[] {
    const rest = this.#takeGathered();
    if (this.#kind === "text") return rest;
    this.#kind = "text";
    return [...rest, { type: "thinking.complete", content: {} }];
  }

  #turnTo(kind: ThoughtEvent["kind"]): void {
    const rest = this.#takeGathered();
    this.#kind = kind;
    const type = kind === "thinking" ? "thinking.start" : "thinking.complete";
    this.#append([...rest, { type, content: {} }]);
  }

  #flushOnTimer(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #flush(): void {
    const drafts = this.#takeGathered();
    if (drafts.length > 0) this.#append(drafts);
  }

  #takeGathered(): EventDraft[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#gathered;
    this.#gathered = "";
    if (text === "") return [];
    if (this.#kind === "thinking") return [{ type: "thinking.progress", content: { text } }];
    return [{ type: "stream_update", content: { ...this.#message, text } }];
  }
}
