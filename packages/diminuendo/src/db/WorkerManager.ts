/**
 * Owns the two SQLite workers and the conversation with them. A write succeeds here only after its commit:
 * whoever waits for it may tell the world. A worker that dies takes the gateway with it (`died`), because
 * nothing can be acknowledged any more and a restart recovers everything.
 */
import * as Context from "effect/Context";
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import { AppConfig } from "../app-config.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import type {
  Answer,
  Ask,
  ReaderQueries,
  ReaderQuery,
  ReplicaCommand,
  ReplicaCommands,
  WriterCommand,
  WriterCommands,
} from "./storage.ts";

export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  doing: Schema.String,
  reason: Schema.String,
  /** Another gateway writes for this tenant now; nothing was written. */
  superseded: Schema.optionalKey(Schema.Boolean),
}) {}

export class WorkerManager extends Context.Service<
  WorkerManager,
  {
    /** Answers after the commit. `claim`: the one that a session was opened under. */
    readonly write: <C extends WriterCommand>(
      command: C,
      claim?: number,
    ) => Effect.Effect<WriterCommands[C["kind"]][1], StorageError>;
    readonly read: <Q extends ReaderQuery>(
      query: Q,
    ) => Effect.Effect<ReaderQueries[Q["kind"]][1], StorageError>;
    /** What to open sessions of a tenant under; undefined where nobody else could write. */
    readonly claimOf: (tenantId: string) => number | undefined;
    /** For a store whose databases are copies of what is kept elsewhere. */
    readonly replica: <C extends ReplicaCommand>(
      command: C,
    ) => Effect.Effect<ReplicaCommands[C["kind"]][1], StorageError>;
    /** Everything written so far is committed when this returns. */
    readonly flush: Effect.Effect<void, StorageError>;
    /** Commits what waits and closes the databases; later commands fail. */
    readonly stop: Effect.Effect<void>;
    /** Fails if a worker dies; never succeeds. */
    readonly died: Effect.Effect<never, StorageError>;
  }
>()("diminuendo/db/WorkerManager") {
  static readonly layer = Layer.effect(
    WorkerManager,
    Effect.gen(function* () {
      const { dataDir, fleet, store } = yield* AppConfig;
      // Copies are this gateway's own; only the truth itself is shared.
      const isShared = store === "embedded" && fleet !== null;
      const died = yield* Deferred.make<never, StorageError>();
      const unlock = yield* Effect.try({
        try: () => lockDataDir(dataDir, isShared),
        catch: (error) => new StorageError({ doing: "lock", reason: messageOf(error) }),
      });
      const onDeath = (error: StorageError) => Deferred.doneUnsafe(died, Effect.fail(error));
      const writer = new Conversation<WriterCommand | ReplicaCommand>(
        "sqlite-writer",
        dataDir,
        onDeath,
      );
      const reader = new Conversation<ReaderQuery>("sqlite-reader", dataDir, onDeath);
      const stop = Effect.all([writer.stop, reader.stop], { concurrency: 2, discard: true });
      yield* Effect.addFinalizer(() => Effect.andThen(stop, Effect.sync(unlock)));
      return WorkerManager.of({
        write: (command, claim) => writer.ask(command, claim),
        claimOf: () => undefined,
        replica: (command) => writer.ask(command),
        read: (query) => reader.ask(query),
        flush: writer.ask({ kind: "flush" }),
        stop,
        died: Deferred.await(died),
      });
    }),
  );
}

class Conversation<Q extends { readonly kind: string }> {
  readonly #worker: Worker;
  readonly #name: string;
  readonly #pending = new Map<
    number,
    { readonly doing: string; readonly done: (a: Answer) => void }
  >();
  /** Asked in this turn of the event loop: they cross the thread together. */
  #outbox: Ask<Q>[] = [];
  #nextId = 1;
  #stopping = false;
  #closed: string | null = null;

  constructor(name: string, dataDir: string, onDeath: (error: StorageError) => void) {
    this.#name = name;
    this.#worker = new Worker(new URL(`./${name}.worker.ts`, import.meta.url), {
      env: { DIMINUENDO_WORKER_DATA_DIR: dataDir },
    });
    this.#worker.onmessage = (event: MessageEvent<readonly Answer[]>) => {
      for (const answer of event.data) {
        const waiting = this.#pending.get(answer.id);
        this.#pending.delete(answer.id);
        waiting?.done(answer);
      }
    };
    this.#worker.onerror = (event) => {
      this.#close(event.message);
      onDeath(new StorageError({ doing: name, reason: event.message }));
    };
  }

  /** Not interruptible: an answer nobody waits for would leave memory and disk apart. */
  ask<A>(ask: Ask<Q>["ask"], claim?: number): Effect.Effect<A, StorageError> {
    return Effect.uninterruptible(
      Effect.callback<A, StorageError>((resume) => {
        const fail = (reason: string, superseded = false) =>
          resume(Effect.fail(new StorageError({ doing: ask.kind, reason, superseded })));
        if (this.#closed !== null) return fail(this.#closed);
        const id = this.#nextId++;
        const done = (answer: Answer) =>
          answer.ok
            ? resume(Effect.succeed(answer.value as A))
            : fail(answer.error, answer.superseded);
        this.#pending.set(id, { doing: ask.kind, done });
        if (this.#outbox.push({ id, ask, claim }) === 1) setImmediate(() => this.#post());
      }),
    );
  }

  #post(): void {
    const asks = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(asks);
  }

  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#stopping || this.#closed !== null) return Effect.void;
      this.#stopping = true;
      const end = Effect.sync(() => {
        this.#close(`${this.#name} has stopped`);
        this.#worker.terminate();
      });
      return Effect.ignore(this.ask<void>({ kind: "stop" })).pipe(Effect.andThen(end));
    });
  }

  #close(reason: string): void {
    this.#closed = reason;
    for (const [id, { done }] of this.#pending) done({ id, ok: false, error: reason });
    this.#pending.clear();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
