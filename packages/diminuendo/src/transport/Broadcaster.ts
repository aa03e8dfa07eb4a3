/**
 * Owns fan-out: which connections hear which session, tenant and configuration namespace. A connection that
 * joins is `replaying` until it has read the log up to what is being published, then `live`; the hand-over
 * happens within one turn of the event loop, so that no event falls between and none comes twice (D2).
 * Everything here is synchronous for that reason. Refuses to own: sockets (SocketServer.ts), the log.
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import {
  CLOSE_CODES,
  type ConfigUpdate,
  encodeServerFrame,
  type Role,
  type ServerEvent,
} from "../protocol/index.ts";
import { Onward } from "./Onward.ts";
import type { Cause, Reader } from "./Reader.ts";
import { SocketServer } from "./SocketServer.ts";

export interface Published {
  readonly seq: number;
  /** The exact text that clients receive. */
  readonly frame: string;
}

/** What one joining connection has missed since it last looked at the log; bounded, the log has it all. */
export interface Replay {
  readonly connection: Reader;
  readonly sessionId: string;
  missed: Published[];
  missedBytes: number;
  overflowed: boolean;
}
const MISSED_BYTES_MAX = 262_144;

interface Audience {
  readonly topic: string;
  readonly live: Set<Reader>;
  readonly replaying: Set<Replay>;
}

const sessionTopic = (sessionId: string) => `session:${sessionId}`;
const tenantTopic = (tenantId: string) => `tenant:${tenantId}:sessions`;
const configTopic = (namespace: string) => `config:${namespace}`;
const EVERYBODY = "everybody";

export class Broadcaster extends Context.Service<
  Broadcaster,
  {
    readonly toSession: (sessionId: string, events: readonly Published[]) => void;
    /** `toSession` for what another gateway has published: to our own readers only. */
    readonly deliver: (sessionId: string, events: readonly Published[]) => void;
    readonly toTenant: (tenantId: string, event: ServerEvent) => void;
    /** To the tenant's other connections; the one that caused it has its direct answer. */
    readonly toTenantOf: (cause: Cause, tenantId: string, event: ServerEvent) => void;
    /** What another gateway tells a tenant: to our own connections, but for `origin`. */
    readonly deliverToTenant: (tenantId: string, text: string, origin: string | null) => void;
    readonly toNamespace: (namespace: string, frame: ConfigUpdate) => void;
    readonly toEverybody: (event: ServerEvent) => void;
    /** From here on the connection hears the tenant's and the gateway's notices. */
    readonly admit: (connection: Reader, tenantId: string) => void;
    /** Undoes `admit`, whatever the tenant was. */
    readonly dismiss: (connection: Reader) => void;
    readonly hearNamespace: (connection: Reader, namespace: string) => void;
    readonly dropNamespace: (connection: Reader, namespace: string) => void;
    /** Starts to collect what is published; a join under way or done on the same session ends. */
    readonly beginReplay: (connection: Reader, sessionId: string) => Replay;
    /** Starts to collect anew, after an overflow and before the log is read again. */
    readonly collectAgain: (replay: Replay) => void;
    /**
     * Sends what was collected after `lastSeq`, then makes the connection live. Answers the last seq sent, or
     * null if too much was published meanwhile: read the log again.
     */
    readonly goLive: (replay: Replay, lastSeq: number) => number | null;
    /** Whether a replay has been ended by a newer join, by leaving or by a closed socket. */
    readonly isOver: (replay: Replay) => boolean;
    readonly leave: (connection: Reader, sessionId: string) => void;
    readonly leaveAll: (connection: Reader) => void;
    /** The session is no more: nobody listens to it any longer. */
    readonly endSession: (sessionId: string) => void;
    /** `endSession` for our own readers only. */
    readonly endHere: (sessionId: string) => void;
    /** Our own readers of the session must come back: what they were told from is not the truth any more. */
    readonly sendAway: (sessionId: string, reason: string) => void;
    /** The other gateways hear of a change of role; ours are the caller's. */
    readonly tellRole: (tenantId: string, userId: string, role: Role | null) => void;
    /** Sessions a connection has joined or is joining. */
    readonly joinedCount: (connection: Reader) => number;
    readonly hasAudience: (sessionId: string) => boolean;
  }
>()("diminuendo/transport/Broadcaster") {
  static readonly layer = Layer.effect(
    Broadcaster,
    Effect.gen(function* () {
      const { publish, connections } = yield* SocketServer;
      const onward = yield* Onward;
      const audiences = new Audiences();
      const deliver = (sessionId: string, events: readonly Published[]) => {
        const audience = audiences.get(sessionId);
        if (audience === undefined) return;
        for (const replay of audience.replaying) collect(replay, events);
        if (audience.live.size === 0) return;
        for (const { frame } of events) publish(audience.topic, frame);
        // Who is closed leaves the set under our hands, which a set allows.
        for (const connection of audience.live) connection.closeIfSlow();
      };
      return Broadcaster.of({
        deliver,
        toSession: (sessionId, events) => {
          deliver(sessionId, events);
          onward.session(sessionId, events);
        },
        toTenant: (tenantId, event) => {
          const text = encodeServerFrame(event);
          publish(tenantTopic(tenantId), text);
          onward.tenant(tenantId, text, null);
        },
        toTenantOf: (cause, tenantId, event) => {
          const text = encodeServerFrame(event);
          cause.publishToOthers(tenantTopic(tenantId), text);
          onward.tenant(tenantId, text, cause.origin ?? null);
        },
        deliverToTenant: (tenantId, text, origin) => {
          const asked = [...connections].find(({ clientId }) => clientId === origin);
          if (asked === undefined) publish(tenantTopic(tenantId), text);
          else asked.publishToOthers(tenantTopic(tenantId), text);
        },
        toNamespace: (namespace, frame) =>
          publish(configTopic(namespace), encodeServerFrame(frame)),
        toEverybody: (event) => publish(EVERYBODY, encodeServerFrame(event)),
        admit: (connection, tenantId) => {
          connection.subscribe(EVERYBODY);
          connection.subscribe(tenantTopic(tenantId));
        },
        dismiss: (connection) => connection.unsubscribeAll(),
        hearNamespace: (connection, namespace) => connection.subscribe(configTopic(namespace)),
        dropNamespace: (connection, namespace) => connection.unsubscribe(configTopic(namespace)),
        beginReplay: (connection, sessionId) => audiences.beginReplay(connection, sessionId),
        collectAgain: startCollecting,
        goLive: (replay, lastSeq) => audiences.goLive(replay, lastSeq),
        isOver: (replay) => !audiences.isReplaying(replay),
        leave: (connection, sessionId) => audiences.leave(connection, sessionId),
        leaveAll: (connection) => audiences.leaveAll(connection),
        endSession: (sessionId) => {
          audiences.end(sessionId);
          onward.sessionEnded(sessionId);
        },
        endHere: (sessionId) => audiences.end(sessionId),
        sendAway: (sessionId, reason) => {
          for (const reader of audiences.readers(sessionId)) {
            reader.close(CLOSE_CODES.goingAway, reason);
          }
        },
        tellRole: onward.role,
        joinedCount: (connection) => audiences.joined(connection).length,
        hasAudience: (sessionId) => audiences.get(sessionId) !== undefined,
      });
    }),
  );
}

class Audiences {
  readonly #bySession = new Map<string, Audience>();
  readonly #byConnection = new Map<Reader, Set<string>>();

  get(sessionId: string): Audience | undefined {
    return this.#bySession.get(sessionId);
  }

  joined(connection: Reader): readonly string[] {
    return [...(this.#byConnection.get(connection) ?? [])];
  }

  isReplaying(replay: Replay): boolean {
    return this.#bySession.get(replay.sessionId)?.replaying.has(replay) ?? false;
  }

  beginReplay(connection: Reader, sessionId: string): Replay {
    this.leave(connection, sessionId);
    const replay = { connection, sessionId, missed: [], missedBytes: 0, overflowed: false };
    const topic = sessionTopic(sessionId);
    const none = { topic, live: new Set<Reader>(), replaying: new Set<Replay>() };
    const audience = this.#bySession.get(sessionId) ?? none;
    this.#bySession.set(sessionId, audience);
    audience.replaying.add(replay);
    const joined = this.#byConnection.get(connection) ?? new Set();
    this.#byConnection.set(connection, joined.add(sessionId));
    return replay;
  }

  goLive(replay: Replay, lastSeq: number): number | null {
    const audience = this.#bySession.get(replay.sessionId);
    if (audience === undefined || replay.overflowed) return null;
    const due = replay.missed.filter(({ seq }) => seq > lastSeq);
    for (const { frame } of due) replay.connection.sendText(frame);
    audience.replaying.delete(replay);
    audience.live.add(replay.connection);
    replay.connection.subscribe(sessionTopic(replay.sessionId));
    return due.at(-1)?.seq ?? lastSeq;
  }

  leave(connection: Reader, sessionId: string): void {
    const audience = this.#bySession.get(sessionId);
    if (audience === undefined) return;
    connection.unsubscribe(sessionTopic(sessionId));
    audience.live.delete(connection);
    for (const replay of audience.replaying) {
      if (replay.connection === connection) audience.replaying.delete(replay);
    }
    if (audience.live.size + audience.replaying.size === 0) this.#bySession.delete(sessionId);
    this.#byConnection.get(connection)?.delete(sessionId);
  }

  readers(sessionId: string): readonly Reader[] {
    const audience = this.#bySession.get(sessionId);
    if (audience === undefined) return [];
    return [...audience.live, ...[...audience.replaying].map(({ connection }) => connection)];
  }

  end(sessionId: string): void {
    for (const connection of this.readers(sessionId)) this.leave(connection, sessionId);
  }

  leaveAll(connection: Reader): void {
    for (const sessionId of this.joined(connection)) this.leave(connection, sessionId);
    this.#byConnection.delete(connection);
  }
}

function collect(replay: Replay, events: readonly Published[]): void {
  if (replay.overflowed) return;
  replay.missed.push(...events);
  replay.missedBytes += events.reduce((sum, { frame }) => sum + frame.length, 0);
  if (replay.missedBytes <= MISSED_BYTES_MAX) return;
  replay.overflowed = true;
  replay.missed = [];
}

function startCollecting(replay: Replay): void {
  replay.missed = [];
  replay.missedBytes = 0;
  replay.overflowed = false;
}
