/**
 * Owns the frames that have arrived on a socket and that nobody has taken: a bounded queue with two ways out. Whoever
 * follows the socket waits in `take`; meanwhile an `eager` reader is told of what arrives and may take it at once,
 * without a fiber, or hand it over. Frames come out in order, and before the reason why there will be no more.
 */
import * as Effect from "effect/Effect";

const FRAMES_MAX = 8_192;

export class FrameInbox<E> {
  #frames: readonly string[] = [];
  #failure: E | null = null;
  #resume: ((effect: Effect.Effect<readonly string[], E>) => void) | null = null;
  #eager: (() => void) | null = null;

  /** What has arrived. Waits until something is handed over, or fails once there will be nothing more. */
  readonly take: Effect.Effect<readonly string[], E> = Effect.callback((resume) => {
    this.#resume = resume;
    if (this.#failure !== null) this.handOver();
    else if (this.#frames.length > 0) this.#tell();
    return Effect.sync(() => {
      this.#resume = null;
    });
  });

  /** Is told when frames are there while somebody waits in `take`; null: they go there at once. */
  set eager(tell: (() => void) | null) {
    this.#eager = tell;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Whether somebody waits: only then may an eager reader take. */
  get isAwaited(): boolean {
    return this.#resume !== null;
  }

  /** False when there are too many already. */
  offer(frame: string): boolean {
    if (this.#frames.length >= FRAMES_MAX) return false;
    (this.#frames as string[]).push(frame);
    if (this.#resume !== null) this.#tell();
    return true;
  }

  /** There will be nothing more; what has arrived is still taken. */
  fail(reason: E): void {
    this.#failure ??= reason;
    this.handOver();
  }

  /** Everything that has arrived. */
  drain(): readonly string[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  /** Gives whoever waits what has arrived, after `frames`, which were drained before. */
  handOver(frames: readonly string[] = []): void {
    if (frames.length > 0) this.#frames = [...frames, ...this.#frames];
    const resume = this.#resume;
    if (resume === null) return;
    this.#resume = null;
    if (this.#frames.length > 0 || this.#failure === null) resume(Effect.succeed(this.drain()));
    else resume(Effect.fail(this.#failure));
  }

  #tell(): void {
    if (this.#eager === null) this.handOver();
    else this.#eager();
  }
}
