/**
 * Owns the native socket `WS /agent/{instance_id}?after=`: admission, frames in, the log out.
 * Refuses to own: what frames cause (`engine/turn-desk.ts`) and pacing (`socket/log-reader.ts`).
 *
 * Close codes, all of which invite a reconnect with `after`: 4008 slow reader, 4100 Podium is ending,
 * 1011 Podium failed.
 */
import {
  type Actor,
  ApiError,
  bearer,
  joinTrace,
  type Logger,
  sameKey,
  verifyActor,
} from "@concert/service-kit";
import type { ServerWebSocket, WebSocketHandler } from "bun";
import { AUDIENCE, actorOf, visibleInstance } from "../engine/instance-access.ts";
import type { TurnDesk } from "../engine/turn-desk.ts";
import type { Instance } from "../store/instances.ts";
import type { Store } from "../store/store.ts";
import { type ClientFrame, FRAME_BYTES_MAX, readFrame } from "./frames.ts";
import { LogReader, type Sent } from "./log-reader.ts";

const CLOSE_FAILED = 1011;
const CLOSE_SLOW = 4008;
const CLOSE_ENDING = 4100;
const PENDING_FRAMES_MAX = 64;

export interface AgentSocketNeeds {
  readonly store: Store;
  readonly desk: TurnDesk;
  readonly log: Logger;
  readonly apiKey: string;
  readonly internalSecret: string;
  /** How long a socket may take nothing before it is closed. */
  readonly stallMsMax: number;
}

/** What a socket is, decided before the upgrade. */
export interface Admission {
  readonly instanceId: string;
  readonly after: number;
}

export interface SocketState extends Admission {
  reader: LogReader | undefined;
  /** Frames are handled one after the other: a stop must not overtake its message. */
  handling: Promise<void>;
  pendingFrames: number;
}

type Socket = ServerWebSocket<SocketState>;

export class AgentSockets {
  readonly #needs: AgentSocketNeeds;
  readonly #open = new Map<string, Set<Socket>>();

  constructor(needs: AgentSocketNeeds) {
    this.#needs = needs;
    needs.store.onAppend((instanceId) => {
      for (const socket of this.#open.get(instanceId) ?? []) this.#pump(socket);
    });
  }

  /** Decides about an upgrade; undefined when the path is not a socket's. Throws `ApiError` 400, 401, 404. */
  async admit(request: Request): Promise<Admission | undefined> {
    // HTTP/1.0 need not name a host; only the path is read.
    const url = URL.parse(request.url, "http://localhost");
    const instanceId = /^\/agent\/([^/]+)$/.exec(url?.pathname ?? "")?.[1];
    if (url === null || instanceId === undefined) return undefined;
    const key = bearer(request.headers.get("authorization"));
    if (key === undefined || !sameKey(key, this.#needs.apiKey)) {
      throw new ApiError(401, "unauthorized", "Send a valid key as Authorization: Bearer <key>.");
    }
    const actor = await actorOf(request.headers, this.#needs.internalSecret);
    const after = url.searchParams.get("after") ?? "0";
    if (!/^\d{1,15}$/.test(after)) {
      throw new ApiError(
        400,
        "invalid_request",
        "after needs the event_id of the last event seen.",
      );
    }
    const { store } = this.#needs;
    const instance = visibleInstance(store, instanceId, actor?.tenant);
    return { instanceId: instance.instanceId, after: Number(after) };
  }

  get handler(): WebSocketHandler<SocketState> {
    return {
      // Slightly above the limit, so that a frame just too large is explained instead of cut off.
      maxPayloadLength: FRAME_BYTES_MAX * 2,
      idleTimeout: 120,
      open: (socket) => this.#opened(socket),
      message: (socket, data) => this.#received(socket, data),
      drain: (socket) => socket.data.reader?.drained(),
      close: (socket) => this.#closed(socket),
    };
  }

  get openCount(): number {
    return [...this.#open.values()].reduce((count, sockets) => count + sockets.size, 0);
  }

  closeAll(): void {
    for (const sockets of this.#open.values()) {
      for (const socket of sockets) socket.close(CLOSE_ENDING, "Podium is ending; reconnect");
    }
  }

  #opened(socket: Socket): void {
    const { instanceId, after } = socket.data;
    const { store, stallMsMax } = this.#needs;
    const sockets = this.#open.get(instanceId) ?? new Set();
    this.#open.set(instanceId, sockets.add(socket));
    socket.data.reader = new LogReader(after, {
      read: (from, limit) => store.events.readAfter(instanceId, from, limit),
      send: (frame) => sent(socket.sendText(frame)),
      giveUp: () => socket.close(CLOSE_SLOW, "slow reader; reconnect with after"),
      stallMsMax,
    });
    this.#pump(socket);
  }

  /** A socket that cannot be served is closed; whoever made the log grow must not hear of it. */
  #pump(socket: Socket): void {
    try {
      socket.data.reader?.pump();
    } catch (error) {
      this.#needs.log.error({ err: error }, "cannot serve a socket");
      socket.close(CLOSE_FAILED, "failed on our side; reconnect with after");
    }
  }

  #closed(socket: Socket): void {
    const { instanceId, reader } = socket.data;
    reader?.close();
    const sockets = this.#open.get(instanceId);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#open.delete(instanceId);
  }

  #received(socket: Socket, data: string | Buffer): void {
    const state = socket.data;
    if (state.pendingFrames >= PENDING_FRAMES_MAX) {
      const message = `${PENDING_FRAMES_MAX} frames wait to be handled; send more slowly.`;
      refuse(socket, new ApiError(429, "too_many_frames", message));
      return;
    }
    state.pendingFrames += 1;
    state.handling = state.handling.then(() => this.#handle(socket, data));
  }

  async #handle(socket: Socket, data: string | Buffer): Promise<void> {
    let frame: ClientFrame | undefined;
    try {
      frame = readFrame(data);
      await this.#perform(socket.data.instanceId, frame);
    } catch (error) {
      if (!(error instanceof ApiError)) this.#needs.log.error({ err: error }, "frame failed");
      refuse(socket, error, frame);
    } finally {
      socket.data.pendingFrames -= 1;
    }
  }

  async #perform(instanceId: string, frame: ClientFrame): Promise<void> {
    const { desk } = this.#needs;
    if (frame.type === "stop_turn") {
      const { actor, instance } = await this.#person(instanceId, frame.actor);
      return desk.requestStop(instance, frame.turn_id, actor);
    }
    if (frame.type === "steer") {
      const { instance } = await this.#person(instanceId, frame.actor);
      return desk.steer(instance, frame.turn_id, frame.steer_id, frame.text);
    }
    const { turn_id, session_id, text, traceparent, cause = null } = frame.content;
    const { actor, instance } = await this.#person(instanceId, frame.content.actor);
    const { traceId } = joinTrace(traceparent);
    const ask = { turnId: turn_id, sessionId: session_id, text, traceId, cause };
    desk.accept(instance, ask, actor);
  }

  /** The person behind a frame, and the instance if it is of the person's tenant. */
  async #person(instanceId: string, token: string): Promise<{ actor: Actor; instance: Instance }> {
    const { store, internalSecret } = this.#needs;
    const actor = await verifyActor(token, AUDIENCE, internalSecret);
    return { actor, instance: visibleInstance(store, instanceId, actor.tenant) };
  }
}

/** Tells one socket that one frame was refused; `turn_id` says which turn it was about, if it could be read. */
function refuse(socket: Socket, error: unknown, frame?: ClientFrame): void {
  const { code, message } =
    error instanceof ApiError
      ? error
      : {
          code: "internal_error",
          message: "Something failed on our side; the log has the details.",
        };
  const turnId = frame?.type === "process_message" ? frame.content.turn_id : frame?.turn_id;
  const about = turnId === undefined ? {} : { turn_id: turnId };
  socket.sendText(JSON.stringify({ type: "error", ...about, error: { code, message } }));
}

/** Bun: -1 queued under back-pressure, 0 dropped, otherwise bytes sent. */
function sent(status: number): Sent {
  if (status === 0) return "lost";
  return status < 0 ? "congested" : "sent";
}
