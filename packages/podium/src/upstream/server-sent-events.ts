/**
 * Owns reading a response body as server-sent events, with a limit on silence and on the size of one event.
 * Source: the WHATWG server-sent events format, parsed by `eventsource-parser`.
 */
import { createParser, type EventSourceMessage } from "eventsource-parser";

const EVENT_CHARS_MAX = 8_388_608;

/** The stream broke: nothing came for too long, or what came is not a stream of events. */
export class StreamBroken extends Error {}

/**
 * Yields the events of `response` until it ends. Throws `StreamBroken` when no byte (comments count) came for
 * `silenceMsMax`, and whatever the connection throws. Stops reading when the consumer stops.
 */
export async function* readEvents(
  response: Response,
  silenceMsMax: number,
): AsyncGenerator<EventSourceMessage, void, void> {
  if (response.body === null) throw new StreamBroken("the answer has no body");
  const ready: EventSourceMessage[] = [];
  let broken: StreamBroken | undefined;
  const parser = createParser({
    onEvent: (event) => ready.push(event),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") broken = new StreamBroken(error.message);
    },
    maxBufferSize: EVENT_CHARS_MAX,
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    while (true) {
      const chunk = await withinSilence(reader.read(), silenceMsMax);
      if (chunk.done) return;
      parser.feed(decoder.decode(chunk.value, { stream: true }));
      yield* ready.splice(0);
      if (broken !== undefined) throw broken;
    }
  } finally {
    // The connection may already be broken; there is nothing left to learn from its end.
    reader.cancel().catch(() => undefined);
  }
}

async function withinSilence<T>(reading: Promise<T>, silenceMsMax: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const why = `nothing came for ${silenceMsMax} ms`;
    timer = setTimeout(() => reject(new StreamBroken(why)), silenceMsMax);
  });
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
  }
}
