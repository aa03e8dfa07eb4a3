/**
 * A Concord for tests: a real HTTP server that speaks docs/wire.md §2 as far as Podium uses it. Commands and
 * feed live in memory and outlast Podium's restarts. It checks keys, actor tokens and idempotency.
 */
import { ACTOR_HEADER, type Actor, verifyActor } from "@concert/service-kit";

export const SERVICE_KEY = "con_test";
export const SECRET = "a-secret-for-tests-only";

export interface Submission {
  readonly commandId: string;
  readonly actor: Actor;
  readonly body: { idempotency_key: string; payload: Record<string, unknown> };
}

interface FeedRow {
  readonly cursor: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

export class ConcordServer {
  readonly submissions: Submission[] = [];
  readonly cancellations: { commandId: string; actor: Actor }[] = [];
  /** The `after` of every subscription, in order. */
  readonly subscribedAfter: string[] = [];
  /** Answers the next requests with these statuses instead of serving them. */
  readonly failNext: { status: number; code: string }[] = [];
  /** Runs after a command exists and before Podium is answered. */
  beforeAnswer: (submission: Submission) => Promise<void> = async () => {};
  /** Runs after a cancellation is accepted and before the turn is moved to `cancelled`. */
  beforeCancelled: () => void = () => {};
  #feed: FeedRow[] = [];
  #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => this.#serve(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get feedLength(): number {
    return this.#feed.length;
  }

  /** Appends an event of a command to the feed. */
  emit(event: {
    type: string;
    command: string;
    root: string;
    parent?: string;
    task?: string;
    tenant?: string;
    payload?: Record<string, unknown>;
  }): void {
    const cursor = `c${this.#feed.length + 1}`;
    const data = {
      cursor,
      event_id: `evt_${this.#feed.length + 1}`,
      event_type: event.type,
      command_id: event.command,
      root_command_id: event.root,
      parent_command_id: event.parent ?? null,
      tenant_id: event.tenant ?? "acme",
      task_name: event.task ?? "agent.turn",
      payload: event.payload ?? {},
      actor: null,
      trace_id: "0".repeat(32),
      at: new Date().toISOString(),
    };
    const row = { cursor, type: event.type, data };
    this.#feed.push(row);
    for (const stream of this.#streams) stream.enqueue(encode(row));
  }

  /** Moves a turn's own command. */
  moveTurn(command: string, to: string, payload: Record<string, unknown> = {}): void {
    this.emit({ type: "state_transitioned", command, root: command, payload: { to, ...payload } });
  }

  /** Ends every feed connection. */
  dropFeeds(): void {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  stop(): void {
    this.#server.stop(true);
  }

  async #serve(request: Request): Promise<Response> {
    if (request.headers.get("authorization") !== `Bearer ${SERVICE_KEY}`) {
      return refuse(401, "unauthorized");
    }
    const url = new URL(request.url);
    if (url.pathname === "/events") return this.#events(url);
    const failure = this.failNext.shift();
    if (failure !== undefined) return refuse(failure.status, failure.code);
    const actor = await verifyActor(request.headers.get(ACTOR_HEADER), "concord", SECRET);
    if (url.pathname === "/commands") {
      return this.#submit((await request.json()) as Submission["body"], actor);
    }
    const cancelled = /^\/commands\/([^/]+)\/cancel$/.exec(url.pathname)?.[1];
    if (cancelled === undefined) return refuse(404, "not_found");
    this.cancellations.push({ commandId: cancelled, actor });
    this.beforeCancelled();
    this.moveTurn(cancelled, "cancelled");
    return Response.json({ command_id: cancelled }, { status: 202 });
  }

  async #submit(body: Submission["body"], actor: Actor): Promise<Response> {
    const known = this.submissions.find((s) => s.body.idempotency_key === body.idempotency_key);
    if (known !== undefined) {
      if (JSON.stringify(known.body) !== JSON.stringify(body)) {
        return refuse(409, "idempotency_conflict");
      }
      return Response.json({ command_id: known.commandId, replayed: true });
    }
    const commandId = `cmd_${this.submissions.length + 1}`;
    const submission = { commandId, actor, body };
    this.submissions.push(submission);
    this.emit({ type: "command_created", command: commandId, root: commandId });
    await this.beforeAnswer(submission);
    return Response.json({ command_id: commandId }, { status: 202 });
  }

  #events(url: URL): Response {
    const after = url.searchParams.get("after") ?? "";
    this.subscribedAfter.push(after);
    const types = new Set((url.searchParams.get("types") ?? "").split(","));
    const from = after === "0" ? 0 : this.#feed.findIndex((row) => row.cursor === after) + 1;
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        own = stream;
        stream.enqueue(new TextEncoder().encode(": hello\n\n"));
        for (const row of this.#feed.slice(from)) {
          if (types.has(row.type)) stream.enqueue(encode(row));
        }
        this.#streams.add(stream);
      },
      cancel: () => void this.#streams.delete(own),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}

function encode(row: FeedRow): Uint8Array {
  const text = `id: ${row.cursor}\nevent: ${row.type}\ndata: ${JSON.stringify(row.data)}\n\n`;
  return new TextEncoder().encode(text);
}

function refuse(status: number, code: string): Response {
  const error = { code, message: `refused with ${code}`, trace_id: "0".repeat(32) };
  return Response.json({ error }, { status });
}
