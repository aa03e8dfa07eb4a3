/**
 * Owns the two SQLite workers and the conversation with them. A write succeeds here only after its commit:
 * whoever waits for it may tell the world. A worker that dies takes the gateway with it (`died`), because
 * nothing can be acknowledged any more and a restart recovers everything.
 */
import * as Context from "effect/Context";
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import { Conversation } from "./conversation.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import type { Committed } from "./event-post.ts";
import { type PackedPage, unpacked } from "./events-page.ts";
import type {
  ReaderQueries,
  ReaderQuery,
  ReplicaCommand,
  ReplicaCommands,
  WriterCommand,
  WriterCommands,
} from "./storage.ts";
import { StorageError } from "./storage-error.ts";
import type { Commit } from "./stored-session.ts";
import { WriterConversation } from "./WriterConversation.ts";

export { StorageError } from "./storage-error.ts";

export class WorkerManager extends Context.Service<
  WorkerManager,
  {
    /** Answers after the commit. `claim`: the one that a session was opened under. */
    readonly write: <C extends WriterCommand>(
      command: C,
      claim?: number,
    ) => Effect.Effect<WriterCommands[C["kind"]][1], StorageError>;
    /** `write` of a commit for who has no fiber to wait in. */
    readonly commit: (commit: Commit, claim: number | undefined, done: Committed) => void;
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
      const place = { dataDir, durability: store === "delegated" ? "normal" : "full" } as const;
      const writer = new WriterConversation(place, onDeath);
      const reader = new Conversation<ReaderQuery>("sqlite-reader", place, onDeath);
      const stop = Effect.all([writer.stop, reader.stop], { concurrency: 2, discard: true });
      yield* Effect.addFinalizer(() => Effect.andThen(stop, Effect.sync(unlock)));
      return WorkerManager.of({
        write: (command, claim) => writer.ask(command, claim),
        commit: (commit, claim, done) => writer.commit(commit, claim, done),
        claimOf: () => undefined,
        replica: (command) => writer.ask(command),
        read: <Q extends ReaderQuery>(query: Q) => {
          if (query.kind !== "events") return reader.ask<ReaderQueries[Q["kind"]][1]>(query);
          // Where the newest event lies is asked anew each time that this is run.
          const page = Effect.suspend(() => reader.ask<PackedPage>(writer.withPlace(query)));
          return Effect.map(page, unpacked) as Effect.Effect<
            ReaderQueries[Q["kind"]][1],
            StorageError
          >;
        },
        flush: writer.ask({ kind: "flush" }),
        stop,
        died: Deferred.await(died),
      });
    }),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
