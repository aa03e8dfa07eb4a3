/**
 * Owns following the event feed across lost connections: the cursor moves only after the caller took an event,
 * so a reconnect neither misses nor repeats one. A silent connection is given up after three missed comments. An
 * event that is no JSON object would come again for ever: the caller hears of it once, or the following ends.
 */
import { createParser } from "eventsource-parser";
import type { EventView } from "../api/views.ts";
import { ConcordError } from "./errors.ts";

export interface FeedOptions {
  readonly rootCommandId?: string;
  readonly types?: readonly string[];
  /** Called when a connection was lost and another will be tried. */
  readonly onLost?: (error: unknown, waitMs: number) => void;
  /** Called with an event that cannot be read, in its place; without it such an event ends the following. */
  readonly onMalformed?: (cursor: string, data: string) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
const SILENCE_MS = 45_000;

type Connect = (cursor: string | undefined, signal: AbortSignal) => Promise<Response>;
type Item =
  | { readonly event: EventView }
  | { readonly cursor: string }
  | { readonly malformed: string; readonly at: string };

export async function* followFeed(
  connect: Connect,
  after: string | undefined,
  signal: AbortSignal,
  options: FeedOptions,
): AsyncGenerator<EventView, void, void> {
  let cursor = after;
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      for await (const item of readOnce(connect, cursor, signal)) {
        waitMs = FIRST_WAIT_MS;
        if ("event" in item) {
          yield item.event;
          cursor = item.event.cursor;
        } else if ("malformed" in item) {
          if (options.onMalformed === undefined) throw malformed(item.at);
          options.onMalformed(item.at, item.malformed);
          cursor = item.at === "" ? cursor : item.at;
        } else {
          cursor ??= item.cursor;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ConcordError && !error.isTransient) throw error;
      options.onLost?.(error, waitMs);
    }
    if (!signal.aborted) await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
}

async function* readOnce(
  connect: Connect,
  cursor: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Item, void, void> {
  const connection = new AbortController();
  const end = () => connection.abort();
  signal.addEventListener("abort", end, { once: true });
  let silence = setTimeout(end, SILENCE_MS);
  try {
    const response = await connect(cursor, connection.signal);
    const items: Item[] = [];
    const parser = createParser({
      onEvent: ({ data, id }) => void items.push(readEvent(data, id ?? "")),
      onComment: (comment) => {
        const from = /^\s*from (\S+)$/.exec(comment)?.[1];
        if (from !== undefined) items.push({ cursor: from });
      },
    });
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE_MS);
      parser.feed(decoder.decode(chunk, { stream: true }));
      yield* items.splice(0);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", end);
    connection.abort();
  }
}

/** The event, or its text beside the cursor that the frame itself carried. */
function readEvent(data: string, at: string): Item {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null && "cursor" in event) {
      return { event: event as EventView };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { malformed: data, at };
}

const malformed = (at: string) =>
  new ConcordError(422, "malformed_event", `The event at cursor "${at}" cannot be read.`);

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
