/**
 * Owns the promise "each durable event once, in order": what to deliver, what to hold back, where a hole is.
 * Pure. Refuses to own how holes are filled (`JoinedSessions.ts`).
 *
 * O1 `appliedSeq` only grows.  O2 an event is delivered only when every earlier one was, or the log itself
 * has said that there is none.  O3 what is held back is bounded; what falls off is fetched again.
 */
import type { SessionEvent } from "./protocol.ts";

export interface EventOrder {
  /** Highest `seq` delivered. */
  readonly appliedSeq: number;
  /** Events beyond a hole, ascending, without duplicates. */
  readonly held: readonly SessionEvent[];
}

export interface Arrival {
  readonly order: EventOrder;
  readonly deliver: readonly SessionEvent[];
}

const HELD_MAX = 2_000;

/** Nothing seen after `afterSeq` yet. */
export function orderFrom(afterSeq: number): EventOrder {
  return { appliedSeq: afterSeq, held: [] };
}

/** An event from the socket: delivered, dropped as a duplicate, or held until the hole before it closes. */
export function arrive(order: EventOrder, event: SessionEvent): Arrival {
  if (event.seq <= order.appliedSeq) return { order, deliver: [] };
  if (event.seq > order.appliedSeq + 1) return { order: hold(order, event), deliver: [] };
  return release(event.seq, [event], order.held);
}

/**
 * A page of the log itself, read after `appliedSeq`. The log is the truth: a number it does not have will
 * not come, so holes inside the page are passed over.
 */
export function arriveFromLog(order: EventOrder, page: readonly SessionEvent[]): Arrival {
  const fresh = page
    .filter((event) => event.seq > order.appliedSeq)
    .toSorted((left, right) => left.seq - right.seq)
    .filter((event, index, sorted) => event.seq !== sorted[index - 1]?.seq);
  const last = fresh.at(-1);
  if (last === undefined) return { order, deliver: [] };
  return release(last.seq, fresh, order.held);
}

/** Whether events are known to be missing before something already here, or before `seq`. */
export function hasGap(order: EventOrder, seq = 0): boolean {
  return order.held.length > 0 || order.appliedSeq < seq;
}

function hold(order: EventOrder, event: SessionEvent): EventOrder {
  const at = order.held.findIndex((one) => one.seq >= event.seq);
  if (at >= 0 && order.held[at]?.seq === event.seq) return order;
  const held = at < 0 ? [...order.held, event] : order.held.toSpliced(at, 0, event);
  return { ...order, held: held.slice(0, HELD_MAX) };
}

function release(
  through: number,
  events: readonly SessionEvent[],
  held: readonly SessionEvent[],
): Arrival {
  const deliver = [...events];
  let appliedSeq = through;
  let used = 0;
  for (const event of held) {
    if (event.seq > appliedSeq + 1) break;
    used += 1;
    if (event.seq <= appliedSeq) continue;
    deliver.push(event);
    appliedSeq = event.seq;
  }
  return { order: { appliedSeq, held: held.slice(used) }, deliver };
}
