/**
 * Owns the conversation with one SQLite worker: questions cross the thread together, each has its answer, and when the
 * worker dies or ends nobody waits for ever.
 */
import * as Effect from "effect/Effect";
import type { Durability } from "./database-files.ts";
import type { Answer, Ask } from "./storage.ts";
import { StorageError } from "./storage-error.ts";

/** Bundled, the workers lie beside us. */
const KIND = import.meta.url.endsWith(".ts") ? "ts" : "js";

type Done = (answer: Answer) => void;

/** What a worker has to know before anything is asked. */
export interface WorkerPlace {
  readonly dataDir: string;
  readonly durability: Durability;
}

export class Conversation<Q extends { readonly kind: string }> {
  readonly #worker: Worker;
  readonly #name: string;
  readonly #pending = new Map<number, Done>();
  /** Asked in this turn of the event loop: they cross the thread together. */
  #outbox: Ask<Q>[] = [];
  #nextId = 1;
  #stopping = false;
  #closed: string | null = null;

  constructor(name: string, place: WorkerPlace, onDeath: (error: StorageError) => void) {
    this.#name = name;
    this.#worker = new Worker(new URL(`./${name}.worker.${KIND}`, import.meta.url), {
      env: {
        DIMINUENDO_WORKER_DATA_DIR: place.dataDir,
        DIMINUENDO_WORKER_DURABILITY: place.durability,
      },
    });
    this.#worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (Array.isArray(data)) this.#answered(data);
      else this.heard(data);
    };
    this.#worker.onerror = (event) => {
      this.close(event.message);
      onDeath(new StorageError({ doing: name, reason: event.message }));
    };
  }

  /** Not interruptible: an answer nobody waits for would leave memory and disk apart. */
  ask<A>(ask: Ask<Q>["ask"], claim?: number): Effect.Effect<A, StorageError> {
    return Effect.uninterruptible(
      Effect.callback<A, StorageError>((resume) => {
        this.post(ask, claim, (answer) =>
          resume(
            answer.ok ? Effect.succeed(answer.value as A) : Effect.fail(errorOf(ask.kind, answer)),
          ),
        );
      }),
    );
  }

  /** `ask` for who has no fiber to wait in. */
  post(ask: Ask<Q>["ask"], claim: number | undefined, done: Done): void {
    const id = this.#nextId++;
    if (this.#closed !== null) {
      done({ id, ok: false, error: this.#closed });
      return;
    }
    this.#pending.set(id, done);
    if (this.#outbox.push({ id, ask, claim }) === 1) setImmediate(() => this.#send());
  }

  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#stopping || this.#closed !== null) return Effect.void;
      this.#stopping = true;
      const end = Effect.sync(() => {
        this.close(`${this.#name} has stopped`);
        this.#worker.terminate();
      });
      return Effect.ignore(this.ask<void>({ kind: "stop" })).pipe(Effect.andThen(end));
    });
  }

  /** Whatever the worker says that is no answer to a question. */
  protected heard(_said: unknown): void {}

  /** Past the questions that wait for their turn. */
  protected sendText(text: string): void {
    this.#worker.postMessage(text);
  }

  /** Nothing is answered any more. */
  protected close(reason: string): void {
    this.#closed = reason;
    for (const [id, done] of this.#pending) done({ id, ok: false, error: reason });
    this.#pending.clear();
  }

  #send(): void {
    const asks = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(asks);
  }

  #answered(answers: readonly Answer[]): void {
    for (const answer of answers) {
      const done = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      done?.(answer);
    }
  }
}

export const errorOf = (doing: string, answer: Extract<Answer, { readonly ok: false }>) =>
  new StorageError({ doing, reason: answer.error, superseded: answer.superseded ?? false });
