/**
 * Owns applying Concord's feed to the store: which turn an event belongs to, and what is one commit.
 * Refuses to own: what an event means (`runs/fold-feed.ts`), the connection (`engine/feed-follower.ts`).
 *
 * INVARIANT P8: an event's effects and the cursor behind it are one transaction.
 * INVARIANT P9: no event of a turn is lost because it arrived before the turn knew its command: it is held
 * and replayed in the transaction that names the command.
 */
import { type FeedEvent, feedEventSchema } from "../runs/feed-event.ts";
import { type FeedFacts, foldFeedEvent } from "../runs/fold-feed.ts";
import type { Store } from "../store/store.ts";
import type { Turn } from "../store/turns.ts";
import type { FeedItem } from "../upstream/concord.ts";

export interface Applied {
  /** The turn that this event ended, if it ended one. */
  readonly ended: Turn | undefined;
  /** Why the event could not be read; the cursor moved past it all the same. */
  readonly unreadable: string | undefined;
}

/** Applies one item of the feed together with its cursor. */
export function applyFeedItem(store: Store, item: FeedItem): Applied {
  const parsed = feedEventSchema.safeParse(item.data);
  return store.write(() => {
    store.feed.setCursor(item.cursor);
    if (!parsed.success) return { ended: undefined, unreadable: parsed.error.message };
    return { ended: route(store, parsed.data), unreadable: undefined };
  });
}

/**
 * Names the command of a turn, logs `created` and replays what was held for it. Inside a transaction; a turn
 * that has its command already stays as it is. Returns the turn as it is now.
 */
export function bindTurn(store: Store, turn: Turn, commandId: string): Turn {
  if (turn.commandId !== null) return turn;
  const bound = { ...turn, commandId };
  store.turns.setCommand(turn.turnSeq, commandId);
  store.append(turn.instanceId, turn.turnId, {
    type: "created",
    content: { turn_id: turn.turnId, command_id: commandId },
    dedupKey: `created:${turn.turnId}`,
  });
  for (const event of store.feed.release(commandId)) route(store, event);
  if (!store.turns.anyUnbound()) store.feed.dropHeld();
  return store.turns.ofCommand(commandId) ?? bound;
}

function route(store: Store, event: FeedEvent): Turn | undefined {
  const turn = store.turns.ofCommand(event.root_command_id);
  if (turn === undefined) {
    if (store.turns.anyUnbound(event.tenant_id)) store.feed.hold(event);
    return undefined;
  }
  // After its end a turn says nothing more, whatever its commands still do (P6).
  if (turn.status !== "open") return undefined;
  const outcome = foldFeedEvent(event, factsOf(store, turn, event.root_command_id));
  for (const draft of outcome.drafts) store.append(turn.instanceId, turn.turnId, draft);
  if (outcome.learned !== undefined) store.feed.learn(outcome.learned);
  if (outcome.end === undefined) return undefined;
  store.turns.end(turn.turnSeq, outcome.end, store.now());
  return turn;
}

function factsOf(store: Store, turn: Turn, commandId: string): FeedFacts {
  const { instanceId, turnId } = turn;
  return {
    turn: { commandId, stopRequested: turn.stopActor !== null },
    commandOf: (id) => store.feed.command(id),
    taskOfCall: (callId) => store.feed.taskOfCall(callId),
    toolOfCall: (callId) => store.thoughts.toolOfCall(instanceId, turnId, callId),
    progress: () => ({
      openMessage: openMessage(store, turn),
      lastText: store.thoughts.lastText(instanceId, turnId),
      usage: store.thoughts.usage(instanceId, turnId),
    }),
  };
}

function openMessage(store: Store, { instanceId, turnId }: Turn) {
  const open = store.thoughts.unfinished(instanceId, turnId);
  if (open === undefined) return null;
  const text = store.events.streamedText(instanceId, open.messageId, open.attemptEventId);
  return { messageId: open.messageId, text };
}
