/**
 * Owns applying Concord's feed to the store: which turn an event belongs to, and what is one commit.
 * Refuses to own: what an event means (`runs/fold-feed.ts`), the connection (`engine/feed-follower.ts`).
 *
 * INVARIANT P8: an event's effects and the cursor behind it are one transaction.
 * INVARIANT P9: no event of a turn is lost because it arrived before the turn knew its command: it is held
 * and replayed in the transaction that names the command.
 */
import { type FeedEvent, feedEventSchema } from "../runs/feed-event.ts";
import { type FeedFacts, foldFeedEvent, type KnownCommand } from "../runs/fold-feed.ts";
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
  noteRequest(store, event);
  tellSharers(store, event);
  const turn = store.turns.ofCommand(event.root_command_id);
  if (turn === undefined) {
    if (store.turns.anyUnbound(event.tenant_id)) store.feed.hold(event);
    return undefined;
  }
  // After its end a turn says nothing more, whatever its commands still do (P6).
  if (turn.status !== "open") return undefined;
  const outcome = foldFeedEvent(event, factsOf(store, turn, event.root_command_id));
  for (const draft of outcome.drafts) store.append(turn.instanceId, turn.turnId, draft);
  if (event.event_type === "tool_call_proposed") noteProposal(store, turn, outcome.learned);
  else if (outcome.learned !== undefined) store.feed.learn(outcome.learned);
  if (outcome.end === undefined) return undefined;
  store.turns.end(turn.turnSeq, outcome.end, store.now());
  return turn;
}

/**
 * A call may be served by a command that another conversation began and that waits for a person already: what it
 * waits for is this turn's to show as well.
 */
function noteProposal(store: Store, turn: Turn, learned: KnownCommand | undefined): void {
  if (learned === undefined || learned.callId === null) return;
  const { commandId, callId } = learned;
  const firstCall = store.feed.command(commandId)?.callId;
  if (firstCall === undefined || firstCall === null) store.feed.learn(learned);
  store.feed.serve(commandId, turn.turnSeq, callId);
  for (const request of store.feed.openRequestsOf(commandId)) {
    if (request.root_command_id !== turn.commandId) tellSharer(store, turn, callId, request);
  }
}

/** What waits for a person, by the id under which they answer. */
function noteRequest(store: Store, { event_type, payload, ...event }: FeedEvent): void {
  const requestId = payload?.["approval_id"] ?? payload?.["input_request_id"];
  if (typeof requestId !== "string") return;
  if (OPENS.has(event_type)) store.feed.openRequest(requestId, { ...event, event_type, payload });
  if (CLOSES.has(event_type)) store.feed.closeRequest(requestId);
}

const OPENS: ReadonlySet<string> = new Set(["approval_requested", "input_requested"]);
const CLOSES: ReadonlySet<string> = new Set([
  "approval_resolved",
  "input_provided",
  "input_closed",
]);

/** What happens to a command is told in every conversation whose call it serves. */
function tellSharers(store: Store, event: FeedEvent): void {
  for (const { turnSeq, callId } of store.feed.servedBy(event.command_id)) {
    const turn = store.turns.bySeq(turnSeq);
    if (turn !== undefined && turn.commandId !== event.root_command_id) {
      tellSharer(store, turn, callId, event);
    }
  }
}

function tellSharer(store: Store, turn: Turn, callId: string, event: FeedEvent): void {
  if (turn.status !== "open" || turn.commandId === null) return;
  const facts = factsOf(store, turn, turn.commandId);
  const commandOf = (id: string) => {
    const known = facts.commandOf(id);
    const taskName = known?.taskName ?? event.task_name ?? "unknown";
    return id === event.command_id ? { commandId: id, callId, taskName } : known;
  };
  const { drafts } = foldFeedEvent(event, { ...facts, commandOf });
  for (const draft of drafts) {
    const dedupKey = `${draft.dedupKey}:${turn.turnId}`;
    store.append(turn.instanceId, turn.turnId, { ...draft, dedupKey });
  }
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
