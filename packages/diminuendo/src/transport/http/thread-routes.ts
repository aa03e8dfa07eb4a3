/**
 * Owns `/api/threads`: sessions over HTTP, for who holds no socket. Each route is a message of the client protocol, with
 * its checks and its idempotency; a thread is a session.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import * as Stream from "effect/Stream";
import type { LogCursor, ServerMessage, SessionMeta } from "../../protocol/index.ts";
import { Router } from "../Router.ts";
import { ask, type Fields } from "./ask.ts";
import { EventStream } from "./EventStream.ts";
import type { Asked, PersonRoute } from "./routes.ts";
import { streamed } from "./streams.ts";

/** A thread as lists show it. */
function threadOf({ sessionId, ...session }: SessionMeta) {
  return {
    id: sessionId,
    ...session,
    createdAt: new Date(session.createdAt).toISOString(),
    updatedAt: new Date(session.updatedAt).toISOString(),
  };
}

export const BODY = Schema.Record(Schema.String, Schema.Unknown);

/** A route that is one message. */
const one = (
  method: PersonRoute["method"],
  path: string,
  summary: string,
  toMessage: (sessionId: string, body: Fields, query: Fields) => Fields,
  status = 200,
): PersonRoute => ({
  method,
  path: `/api/threads${path}`,
  summary,
  permission: "session:read",
  ...(method === "GET" || method === "DELETE" ? {} : { body: BODY }),
  query: ["cursor", "limit", "includeArchived", "path", "depth", "iteration"],
  answer: Effect.fnUntraced(function* (actor: Actor, { path: names, body, query }: Asked) {
    const fields = toMessage(names["id"] ?? "", (body ?? {}) as Fields, query);
    return Response.json(shown(yield* ask(actor, fields)), { status });
  }),
});

/** The answer without its `type`, sessions as threads. */
function shown(answer: ServerMessage): unknown {
  if ("sessions" in answer) {
    return { items: answer.sessions.map(threadOf), nextCursor: answer.cursor ?? null };
  }
  if ("deletions" in answer) {
    return { items: answer.deletions, nextCursor: answer.cursor ?? null };
  }
  if ("session" in answer) return threadOf(answer.session);
  const { type: _, ...rest } = answer;
  return rest;
}

export const sent = (body: Fields, ...names: readonly string[]): Fields =>
  Object.fromEntries(names.flatMap((name) => (name in body ? [[name, body[name]]] : [])));

const DECISIONS = new Map<unknown, string>([
  [true, "approved"],
  [false, "rejected"],
]);

export const numberIn = (query: Fields, name: string): Fields =>
  query[name] === undefined ? {} : { [name]: Number(query[name]) };

export const THREAD_ROUTES: readonly PersonRoute[] = [
  one("GET", "", "The tenant's threads, newest first.", (_, __, query) => ({
    type: "list_sessions",
    includeArchived: query["includeArchived"] === "true",
    ...sent(query, "cursor"),
    ...numberIn(query, "limit"),
  })),
  one(
    "POST",
    "",
    "A new thread: agentType, name?, idempotencyKey?.",
    (_, body) => ({ type: "create_session", ...sent(body, "agentType", "name", "idempotencyKey") }),
    201,
  ),
  one("GET", "/deleted", "Threads that were deleted, newest first.", (_, __, query) => ({
    type: "list_deleted_sessions",
    ...sent(query, "cursor"),
    ...numberIn(query, "limit"),
  })),
  {
    ...one("GET", "/{id}", "One thread.", () => ({})),
    answer: Effect.fnUntraced(function* (actor: Actor, { path }: Asked) {
      return Response.json(threadOf(yield* sessionOf(actor, path["id"] ?? "")));
    }),
  },
  {
    ...one("GET", "/{id}/session", "One thread as the client protocol has it.", () => ({})),
    answer: Effect.fnUntraced(function* (actor: Actor, { path }: Asked) {
      return Response.json(yield* sessionOf(actor, path["id"] ?? ""));
    }),
  },
  one("PATCH", "/{id}", "Renames: name.", (sessionId, body) => ({
    type: "rename_session",
    sessionId,
    ...sent(body, "name", "idempotencyKey"),
  })),
  one("DELETE", "/{id}", "Deletes the thread for good.", (sessionId) => ({
    type: "delete_session",
    sessionId,
  })),
  one("GET", "/{id}/read", "The conversation in whole messages.", (sessionId, _, query) => ({
    type: "get_history",
    sessionId,
    ...sent(query, "cursor"),
    ...numberIn(query, "limit"),
  })),
  one(
    "POST",
    "/{id}/messages",
    "Asks for a turn: text, whenBusy?, clientTurnId? (its idempotency key).",
    (sessionId, body) => ({
      type: "run_turn",
      sessionId,
      ...sent(body, "text", "whenBusy"),
      ...("clientTurnId" in body ? { idempotencyKey: body["clientTurnId"] } : {}),
    }),
    202,
  ),
  one("POST", "/{id}/stop", "Stops the open turn, or turnId.", (sessionId, body) => ({
    type: "stop_turn",
    sessionId,
    ...sent(body, "turnId", "idempotencyKey"),
  })),
  one("POST", "/{id}/steer", "Says content into the open turn.", (sessionId, body) => ({
    type: "steer",
    sessionId,
    ...sent(body, "content", "idempotencyKey"),
  })),
  one("POST", "/{id}/approve", "Decides: requestId, approved, reason?.", (sessionId, body) => ({
    type: "answer_question",
    sessionId,
    requestId: body["requestId"],
    answers: {
      decision: DECISIONS.get(body["approved"]),
      ...sent(body, "reason"),
    },
  })),
  one("POST", "/{id}/answer", "Decides: requestId, answers, dismissed?.", (sessionId, body) => ({
    type: "answer_question",
    sessionId,
    ...sent(body, "requestId", "answers", "dismissed"),
  })),
  one("POST", "/{id}/archive", "Puts the thread away.", (sessionId, body) => ({
    type: "archive_session",
    sessionId,
    ...sent(body, "idempotencyKey"),
  })),
  one("POST", "/{id}/unarchive", "Takes the thread out again.", (sessionId, body) => ({
    type: "unarchive_session",
    sessionId,
    ...sent(body, "idempotencyKey"),
  })),
  one("GET", "/{id}/files", "What its agent keeps: path?, depth? (1).", (sessionId, _, query) => ({
    type: "list_files",
    sessionId,
    ...sent(query, "path"),
    ...numberIn(query, "depth"),
  })),
  one(
    "GET",
    "/{id}/files/content",
    "A file: path, iteration? as it was.",
    (sessionId, _, query) => ({
      type: query["iteration"] === undefined ? "read_file" : "file_at_iteration",
      sessionId,
      ...sent(query, "path"),
      ...numberIn(query, "iteration"),
    }),
  ),
  one("GET", "/{id}/files/history", "Each version of a file: path.", (sessionId, _, query) => ({
    type: "file_history",
    sessionId,
    ...sent(query, "path"),
  })),
  {
    method: "GET",
    path: "/api/threads/{id}/events",
    summary: "Server-sent events: the log after afterSeq or Last-Event-ID, then what happens.",
    permission: "session:read",
    query: ["afterSeq"],
    answer: (actor, asked) => followEvents(actor, asked),
  },
  {
    method: "GET",
    path: "/api/threads/{id}/download",
    summary: "The whole log, one event a line.",
    permission: "session:read",
    answer: Effect.fnUntraced(function* (actor: Actor, { path }: Asked) {
      const id = path["id"] ?? "";
      const frames = yield* (yield* Router).log(actor, id);
      const lines = frames.pipe(
        Stream.map((frame) => `${frame}\n`),
        Stream.encodeText,
      );
      const headers = {
        "content-type": "application/x-ndjson",
        "content-disposition": `attachment; filename="${id}.jsonl"`,
      };
      return new Response(Stream.toReadableStream(lines), { headers });
    }),
  },
];

const sessionOf = Effect.fnUntraced(function* (actor: Actor, sessionId: string) {
  return yield* (yield* Router).session(actor, sessionId);
});

const followEvents = Effect.fnUntraced(function* (actor: Actor, { request, path, query }: Asked) {
  const router = yield* Router;
  const sessionId = path["id"] ?? "";
  yield* router.session(actor, sessionId);
  const from = placeOf(request.headers.get("last-event-id"), query["afterSeq"]);
  return yield* streamed(
    request,
    (needs) => new EventStream(needs),
    (stream) => {
      const onEpoch = (epoch: string) => stream.begin(epoch, from.cursor?.epoch ?? epoch);
      return router.follow(stream, actor, { sessionId, onEpoch, ...from });
    },
  );
});

/** `<epoch>:<seq>` as we gave it, or a number. */
function placeOf(
  lastEventId: string | null,
  afterSeq: string | undefined,
): { readonly cursor?: LogCursor; readonly afterSeq?: number } {
  const [, epoch, seq] = /^([\w-]+):(\d{1,15})$/.exec(lastEventId ?? "") ?? [];
  if (epoch !== undefined) return { cursor: { epoch, seq: Number(seq) } };
  return /^\d{1,15}$/.test(afterSeq ?? "") ? { afterSeq: Number(afterSeq) } : {};
}
