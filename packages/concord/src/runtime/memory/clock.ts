/** Owns time for the in-memory runtime: the system's, or one that tests move by hand. */

export interface Clock {
  nowMs(): number;
  /** Resolves at `atMs`, or rejects with the signal's reason. */
  until(atMs: number, signal: AbortSignal): Promise<void>;
}

/** Timers hold at most this long; a longer wait is made of several. */
const LONGEST_TIMER_MS = 2_000_000_000;

export const SYSTEM_CLOCK: Clock = {
  nowMs: Date.now,
  until: async (atMs, signal) => {
    for (;;) {
      signal.throwIfAborted();
      const leftMs = atMs - Date.now();
      if (leftMs <= 0) return;
      await timer(Math.min(leftMs, LONGEST_TIMER_MS), signal);
    }
  },
};

function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(handle);
      reject(signal.reason);
    };
    const handle = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

export interface ManualClock extends Clock {
  /** Moves time; whoever waited for a moment up to then goes on. */
  advance(ms: number): void;
}

export function manualClock(startMs = 0): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  return {
    nowMs: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
      for (const one of [...sleepers]) if (one.atMs <= nowMs) one.wake();
    },
    until: (atMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (atMs <= nowMs) return resolve();
        const leave = () => {
          sleepers.delete(sleeper);
          signal.removeEventListener("abort", stop);
        };
        const stop = () => {
          leave();
          reject(signal.reason);
        };
        const sleeper = {
          atMs,
          wake: () => {
            leave();
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal.addEventListener("abort", stop, { once: true });
      }),
  };
}
