/**
 * Owns whose turn it is when many have long work to do: one piece at a time, with the process's sockets, timers and
 * consensus served in between. Refuses to own: how much work a piece is.
 */
export type TakeTurns = (piece: () => void) => void;

/** In the order asked for. `between` lets everything else happen, then calls back. */
export function takingTurns(between: (goOn: () => void) => unknown = setImmediate): TakeTurns {
  const waiting: (() => void)[] = [];
  const next = () => {
    const piece = waiting.shift();
    if (waiting.length > 0) between(next);
    piece?.();
  };
  return (piece) => {
    waiting.push(piece);
    if (waiting.length === 1) between(next);
  };
}
