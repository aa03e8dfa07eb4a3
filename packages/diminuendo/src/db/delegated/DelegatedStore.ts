/**
 * Owns the store whose truth lies in Concordance (or Unison): the data directory holds copies that may be lost, and another
 * gateway on another machine can go on where this one was cut. Every question is the embedded store's, asked of the copy.
 * Source: the deployment page's "durable authority" table. Refuses to own: a database's log and copy (Replica.ts).
 */
import { ConcordanceClient } from "@concert/concordance";
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../../app-config.ts";
import { commitByWrite } from "../commit-by-write.ts";
import { nameOf } from "../database-files.ts";
import type {
  DatabaseName,
  ReaderQueries,
  ReaderQuery,
  WriterCommand,
  WriterCommands,
} from "../storage.ts";
import { StorageError, WorkerManager } from "../WorkerManager.ts";
import { CommandLog } from "./command-log.ts";
import { type Copy, type Outcome, Replica } from "./Replica.ts";

/** Takes the store of this machine, which then keeps copies, and gives the delegated one. */
export const delegatedStore = (gatewayId: string) =>
  Layer.effect(
    WorkerManager,
    Effect.gen(function* () {
      const here = yield* WorkerManager;
      const { concordance, storeRoot } = yield* AppConfig;
      const client = new ConcordanceClient({
        url: concordance.url,
        apiKey: concordance.key,
        retryForMs: RETRY_FOR_MS,
      });
      const log = new CommandLog(client, storeRoot, gatewayId);
      const warn = Effect.runForkWith(yield* Effect.context<never>());
      const replicas = new Replicas(log, copyOf(here), (sentence) =>
        warn(Effect.logWarning(sentence)),
      );
      const unsure = yield* Deferred.make<never, StorageError>();
      // Alone, nobody drops what is held in memory and reads it anew, but a restart does.
      const heed = (claim: number | undefined) => (error: StorageError) =>
        claim === undefined && error.superseded === true
          ? Deferred.fail(unsure, error)
          : Effect.void;
      const writing: WorkerManager["Service"]["write"] = (command, claim) =>
        Effect.tapError(write(replicas, here, command, claim), heed(claim));
      return WorkerManager.of({
        ...here,
        died: Effect.raceFirst(here.died, Deferred.await(unsure)),
        write: writing,
        commit: yield* commitByWrite(writing),
        read: <Q extends ReaderQuery>(query: Q) =>
          query.kind === "tenants"
            ? asking(query.kind, () => log.known("registry") as Promise<Answer<Q>>)
            : Effect.andThen(
                asking(query.kind, () => replicas.freshFor(query)),
                here.read(query),
              ),
      });
    }),
  );

type Answer<Q extends ReaderQuery> = ReaderQueries[Q["kind"]][1];

const RETRY_FOR_MS = 5_000;

const write = <C extends WriterCommand>(
  replicas: Replicas,
  here: WorkerManager["Service"],
  command: C,
  claim: number | undefined,
): Effect.Effect<WriterCommands[C["kind"]][1], StorageError> => {
  const of = nameOf(command);
  if (command.kind === "drop_session") {
    return Effect.andThen(
      asking(command.kind, () => replicas.drop(of)),
      here.write(command),
    );
  }
  // Not interruptible: an answer nobody waits for would leave memory and the log apart.
  return Effect.uninterruptible(
    Effect.flatMap(
      asking(command.kind, () => replicas.of(of).write({ command, claim })),
      (outcome: Outcome) => {
        if (command.kind === "claim_tenant") replicas.doubtSessions();
        return outcome.kind === "done"
          ? Effect.succeed(outcome.value as WriterCommands[C["kind"]][1])
          : Effect.fail(
              new StorageError({
                doing: command.kind,
                reason: outcome.reason,
                superseded: outcome.superseded,
              }),
            );
      },
    ),
  );
};

class Replicas {
  readonly #log: CommandLog;
  readonly #copy: Copy;
  readonly #onTrouble: (sentence: string) => void;
  readonly #known = new Map<string, Replica>();

  constructor(log: CommandLog, copy: Copy, onTrouble: (sentence: string) => void) {
    this.#log = log;
    this.#copy = copy;
    this.#onTrouble = onTrouble;
  }

  of(name: DatabaseName): Replica {
    const key = keyOf(name);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const replica = new Replica(name, this.#log, this.#copy, this.#onTrouble);
    this.#known.set(key, replica);
    return replica;
  }

  /** The copies that `query` looks into have everything. */
  async freshFor(query: ReaderQuery): Promise<void> {
    if ("ofTenant" in query) {
      const ids = query.ofTenant === null ? await this.#log.known("registry") : [query.ofTenant];
      for (const id of ids) await this.of({ shape: "registry", id }).fresh();
    } else if (query.kind !== "let_go" && query.kind !== "drop_session") {
      await this.of(placeOf(query)).fresh();
    }
  }

  async drop(name: DatabaseName): Promise<void> {
    this.#known.delete(keyOf(name));
    await this.#log.drop(name);
  }

  /** A tenant is ours again: what we have of its sessions may be from before somebody else had it. */
  doubtSessions(): void {
    for (const [key, replica] of this.#known) if (key.startsWith("session ")) replica.doubt();
  }
}

const keyOf = ({ shape, id }: DatabaseName): string => `${shape} ${id}`;

/** What is asked of one session lies in its database, everything else in the tenant's registry. */
const IN_SESSION: ReadonlySet<ReaderQuery["kind"]> = new Set([
  "events",
  "turn_by_key",
  "asking_command",
  "history",
  "remembered",
  "turn_fate",
  "turn_outcome",
] as const);

function placeOf(query: ReaderQuery): DatabaseName {
  if (IN_SESSION.has(query.kind) && "sessionId" in query && query.sessionId !== null) {
    return { shape: "session", id: String(query.sessionId) };
  }
  if ("tenantId" in query) return { shape: "registry", id: query.tenantId };
  throw new Error(`${query.kind} is about no database`);
}

function copyOf(here: WorkerManager["Service"]): Copy {
  const run = Effect.runPromise;
  return {
    position: (of) => run(here.replica({ kind: "position", of })),
    apply: (entry) => run(here.replica(entry)),
    export: (of) => run(here.replica({ kind: "export", of })),
    import: async (of, bytes) => {
      await run(here.read({ kind: "let_go", of }));
      await run(here.replica({ kind: "import", of, bytes }));
      // Whoever read meanwhile has opened the file that is gone.
      await run(here.read({ kind: "let_go", of }));
    },
  };
}

const asking = <A>(doing: string, work: () => Promise<A>): Effect.Effect<A, StorageError> =>
  Effect.tryPromise({
    try: work,
    catch: (error) => new StorageError({ doing, reason: String(error) }),
  });
