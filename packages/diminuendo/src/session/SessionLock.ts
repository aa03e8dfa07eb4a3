/**
 * Owns whose turn it is to change a session: fibers wait for it in order, and who has no fiber may take it while none is
 * there. Effect's semaphore knows of no taker but fibers; starting one to ask costs more than what is done under it.
 */
import * as Effect from "effect/Effect";
import * as Semaphore from "effect/Semaphore";

export class SessionLock {
  readonly #semaphore = Semaphore.makeUnsafe(1);
  /** That wait or are at it: none of them is overtaken. */
  #fibers = 0;
  #isTakenPlainly = false;
  #onRelease: (() => void)[] = [];

  /** Runs `work` when nobody else is at it. */
  alone<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const inTurn = Effect.andThen(this.#untilReleased, this.#semaphore.withPermits(1)(work));
    return Effect.suspend(() => {
      this.#fibers += 1;
      return Effect.ensuring(
        inTurn,
        Effect.sync(() => {
          this.#fibers -= 1;
        }),
      );
    });
  }

  /** Whether nobody is at it, nor waits: it is then taken until `release`. */
  tryTake(): boolean {
    if (this.#isTakenPlainly || this.#fibers > 0) return false;
    this.#isTakenPlainly = true;
    return true;
  }

  /** Undoes a `tryTake` that answered true. */
  release(): void {
    this.#isTakenPlainly = false;
    const waiting = this.#onRelease;
    this.#onRelease = [];
    for (const goOn of waiting) goOn();
  }

  readonly #untilReleased = Effect.suspend(() =>
    this.#isTakenPlainly
      ? Effect.callback<void>((resume) => void this.#onRelease.push(() => resume(Effect.void)))
      : Effect.void,
  );
}
