/** Owns the event feed over HTTP (wire §2): server-sent events with the cursor as id, kept awake by comments. */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { Refusal } from "../core/errors.ts";
import { decodeId } from "../core/ids.ts";
import type { Concord } from "../domain/face.ts";
import type { FeedFilter } from "../domain/reading.ts";
import type { ApiEnv } from "./auth.ts";
import { eventView } from "./views.ts";

const KEEP_AWAKE_MS = 15_000;
const TYPES_MAX = 64;

export async function streamEvents(concord: Concord, context: Context<ApiEnv>): Promise<Response> {
  const cursor = context.req.query("after") ?? context.req.header("last-event-id");
  if (cursor !== undefined) concord.events.check(cursor);
  const filter = filterOf(context);
  const from = cursor ?? (await concord.events.now());
  return streamSSE(context, async (stream) => {
    const abort = new AbortController();
    stream.onAbort(() => abort.abort());
    const timer = setInterval(() => void stream.write(": awake\n\n"), KEEP_AWAKE_MS);
    try {
      // Told before anything happens, so that a client cut off early resumes from here.
      await stream.write(`: from ${from}\n\n`);
      for await (const event of concord.events.read(from, filter, abort.signal)) {
        const { cursor: id, eventType } = event;
        await stream.writeSSE({ id, event: eventType, data: JSON.stringify(eventView(event)) });
        if (stream.aborted) return;
      }
    } catch (error) {
      // The stream ends; a reader that keeps its cursor comes back and misses nothing.
      if (!concord.isUnavailable(error)) throw error;
    } finally {
      clearInterval(timer);
      abort.abort();
    }
  });
}

function filterOf(context: Context<ApiEnv>): FeedFilter {
  const principal = context.get("principal");
  const root = context.req.query("root_command_id");
  const types = context.req.query("types")?.split(",").filter(Boolean).slice(0, TYPES_MAX);
  const rootCommandId = root === undefined ? undefined : decodeId("command", root);
  if (root !== undefined && rootCommandId === undefined) {
    throw new Refusal(
      "not_found",
      "root_command_id names no command; it looks like cmd_ and 32 hex digits.",
    );
  }
  if (types?.some((type) => type.includes("\u0000"))) {
    throw new Refusal("validation_error", "types contains a NUL character.");
  }
  return {
    ...(principal === undefined ? {} : { tenantId: principal.tenant }),
    ...(rootCommandId === undefined ? {} : { rootCommandId }),
    ...(types === undefined || types.length === 0 ? {} : { types }),
  };
}
