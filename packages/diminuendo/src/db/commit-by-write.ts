/** Owns how a store that only has `write` gives `commit` for who has no fiber: it forks one. */
import * as Effect from "effect/Effect";
import type { WorkerManager } from "./WorkerManager.ts";

type Store = WorkerManager["Service"];

export const commitByWrite = (write: Store["write"]): Effect.Effect<Store["commit"]> =>
  Effect.map(Effect.context<never>(), (context) => {
    const fork = Effect.runForkWith(context);
    return (commit, claim, done) => {
      fork(
        Effect.match(write(commit, claim), {
          onFailure: (error) => done(error, null),
          onSuccess: (place) => done(null, place),
        }),
      );
    };
  });
