/** Owns what the gateway understands of an event on Podium's native socket (docs/wire.md §4). */
import type { SessionEvent } from "../protocol/index.ts";

export interface PodiumEvent {
  /** Per instance, starts at 1, no holes. */
  readonly eventId: number;
  readonly eventType: string;
  readonly turnId: string | null;
  /** As Podium sent it; believed only after it matched the schema of a client event. */
  readonly content: unknown;
}

type WithoutPlace<E> = E extends unknown ? Omit<E, "sessionId" | "seq" | "ts"> : never;
/** A session event that has no place in a log yet. */
export type EventDraft = WithoutPlace<SessionEvent>;
export type EventDraftOf<T extends EventDraft["type"]> = Extract<EventDraft, { readonly type: T }>;
