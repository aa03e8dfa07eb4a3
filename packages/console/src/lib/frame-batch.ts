/**
 * Owns when arriving things are shown: all that arrived since the last frame, at once. A hidden page draws no
 * frames, so there a timer takes over and the view stays current.
 */

const HIDDEN_INTERVAL_MS = 250;

export interface FrameBatch<T> {
  readonly push: (item: T) => void;
  /** Applies what waits now. */
  readonly flush: () => void;
}

export function frameBatch<T>(apply: (items: readonly T[]) => void): FrameBatch<T> {
  let waiting: T[] = [];
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    if (waiting.length === 0) return;
    const items = waiting;
    waiting = [];
    apply(items);
  };
  const push = (item: T) => {
    waiting.push(item);
    if (scheduled) return;
    scheduled = true;
    if (document.hidden) setTimeout(flush, HIDDEN_INTERVAL_MS);
    else requestAnimationFrame(flush);
  };
  return { push, flush };
}
