/**
 * Owns what Podium asks of Concord, in Podium's words: a request was accepted, was refused, or may be repeated.
 * The conversation itself is `@concert/concord/client`. Refuses to own: when to repeat a request (`engine/`).
 * Source: docs/wire.md §2 and §3.
 */
import {
  type CommandView,
  type ConcordClient,
  ConcordError,
  createConcordClient,
  type SubmitInput,
} from "@concert/concord/client";
import { type Actor, signActor } from "@concert/service-kit/identity";
import { continueTrace, traceparent } from "@concert/service-kit/trace";
import type { Message } from "../runs/agent-step.ts";
import { FOLDED_EVENT_TYPES } from "../runs/feed-event.ts";
import type { TurnCause } from "../store/turns.ts";

/** On whose behalf a request is made, and in which trace. */
export interface Caller {
  readonly actor: Actor;
  readonly traceId: string;
  /** The run of an automation in whose name it is asked; null where the person asks. */
  readonly cause?: TurnCause | null;
}

/** The payload of task `agent.turn`. */
export interface TurnPayload {
  readonly agent_type: string;
  readonly instance_id: string;
  readonly session_id: string;
  readonly turn_id: string;
  readonly text: string;
  readonly history: readonly Message[];
}

/** Concord answered: it took the request, or will never take it. */
export type Answer =
  | { readonly kind: "accepted"; readonly commandId: string }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly code: string;
      readonly message: string;
    };

export interface FeedItem {
  readonly cursor: string;
  /** Not yet checked. */
  readonly data: unknown;
}

/** What becomes of the feed's connection; the client itself connects again after a loss. */
export type FeedNews =
  | { readonly kind: "connecting" | "open" }
  | { readonly kind: "lost"; readonly why: unknown };

/** Concord did not answer, or answered that it cannot now: ask again later. */
export class ConcordUnavailable extends Error {}

/** Every method throws `ConcordUnavailable` when the request may be repeated. */
export interface Concord {
  submitTurn(payload: TurnPayload, caller: Caller, signal: AbortSignal): Promise<Answer>;
  cancel(commandId: string, reason: string, caller: Caller, signal: AbortSignal): Promise<Answer>;
  /** Events after `cursor` ("0": from the beginning), across lost connections, until `signal` or a refusal. */
  events(
    cursor: string,
    signal: AbortSignal,
    onNews: (news: FeedNews) => void,
  ): AsyncGenerator<FeedItem, void, void>;
}

export interface ConcordSettings {
  readonly url: string;
  readonly serviceKey: string;
  readonly internalSecret: string;
}

/** It holds no state between calls. */
export function createConcord(settings: ConcordSettings): Concord {
  const { url, serviceKey: key, internalSecret } = settings;
  const clientFor = ({ actor, traceId }: Caller, signal: AbortSignal) =>
    createConcordClient({
      url,
      key,
      actorToken: () => signActor(actor, "concord", internalSecret),
      traceparent: traceparent(continueTrace(traceId)),
      fetch: fetchUntil(signal),
    });
  return {
    submitTurn: (payload, caller, signal) =>
      answerOf(
        clientFor(caller, signal).submit({
          task_name: "agent.turn",
          idempotency_key: `turn:${payload.turn_id}`,
          payload: { ...payload },
          ...contextOf(caller),
        }),
      ),
    cancel: (commandId, reason, caller, signal) =>
      answerOf(clientFor(caller, signal).cancel(commandId, reason)),
    events: (cursor, signal, onNews) =>
      follow(
        createConcordClient({ url, key, fetch: fetchAndTell(onNews) }),
        cursor,
        signal,
        onNews,
      ),
  };
}

/** What a clock asks for is no person's request: policies and the record tell them apart. */
function contextOf({ cause }: Caller): Pick<SubmitInput, "context"> {
  if (cause === undefined || cause === null) return {};
  return { context: { ingress: "scheduled_trigger", metadata: { automation: cause } } };
}

async function answerOf(request: Promise<CommandView>): Promise<Answer> {
  try {
    const { command_id: commandId } = await request;
    if (typeof commandId === "string" && commandId !== "") return { kind: "accepted", commandId };
  } catch (error) {
    if (!(error instanceof ConcordError)) throw error;
    if (mayRepeat(error)) throw unavailable(error);
    const { status, code, message } = error;
    return { kind: "refused", status, code, message };
  }
  throw new ConcordUnavailable("Concord answered without a command");
}

async function* follow(
  client: ConcordClient,
  cursor: string,
  signal: AbortSignal,
  onNews: (news: FeedNews) => void,
): AsyncGenerator<FeedItem, void, void> {
  const onLost = (why: unknown) => onNews({ kind: "lost", why });
  const unread: FeedItem[] = [];
  const onMalformed = (at: string, data: string) => void unread.push({ cursor: at, data });
  const options = { types: FOLDED_EVENT_TYPES, onLost, onMalformed };
  try {
    for await (const event of client.events(cursor, signal, options)) {
      yield* unread.splice(0);
      yield { cursor: event.cursor, data: event };
    }
  } catch (error) {
    throw error instanceof ConcordError ? unavailable(error) : error;
  }
}

/**
 * Refusals that say nothing about the turn: a proxy asks for patience (408, 425), or our own key or signature is
 * not accepted (401), which whoever runs the services mends while the turn waits.
 */
const PASSING_STATUSES: readonly number[] = [401, 408, 425];

function mayRepeat(error: ConcordError): boolean {
  return error.isTransient || PASSING_STATUSES.includes(error.status);
}

function unavailable(cause: ConcordError): ConcordUnavailable {
  return new ConcordUnavailable(`${cause.code}: ${cause.message}`, { cause });
}

type Fetch = NonNullable<Parameters<typeof createConcordClient>[0]["fetch"]>;

/** The process ends sooner than a request may take. */
function fetchUntil(ending: AbortSignal): Fetch {
  return withExtras((input, init) => {
    const signals = init?.signal ? [init.signal, ending] : [ending];
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  });
}

function fetchAndTell(onNews: (news: FeedNews) => void): Fetch {
  return withExtras(async (input, init) => {
    onNews({ kind: "connecting" });
    const response = await fetch(input, init);
    if (response.ok) onNews({ kind: "open" });
    return response;
  });
}

/** Bun's `fetch` carries `preconnect`, and so must what stands in for it. */
function withExtras(send: (...request: Parameters<typeof fetch>) => Promise<Response>): Fetch {
  return Object.assign(send, { preconnect: fetch.preconnect });
}
