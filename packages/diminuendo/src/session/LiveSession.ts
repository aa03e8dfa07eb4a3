/**
 * Owns one session in memory: what is committed, and who may change it next. Fields are replaced only by
 * Sessions.ts, in the same turn of the event loop in which the change is published.
 */
import type * as Fiber from "effect/Fiber";
import * as Semaphore from "effect/Semaphore";
import type { RegistryRow, SessionSnapshot } from "../db/storage.ts";
import type { SessionMeta } from "../protocol/index.ts";
import type { PodiumLink } from "../upstream/PodiumClient.ts";
import { instanceIdOf } from "./ids.ts";
import { type SessionModel, waitingFor } from "./session-model.ts";

export class LiveSession {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly instanceId: string;
  readonly agentType: string;
  readonly epoch: string;
  /** One change at a time: decide, commit, publish. */
  readonly lock = Semaphore.makeUnsafe(1);
  model: SessionModel;
  /** `seq` of the newest published event. */
  lastSeq: number;
  updatedAt: number;
  lastUsedAt: number;
  /** The open socket to Podium, while there is one. */
  link: PodiumLink | null = null;
  /** The fiber that keeps the session attached to Podium, while it has reason to. */
  attachment: Fiber.Fiber<void> | null = null;
  readonly #row: RegistryRow;

  constructor(tenantId: string, row: RegistryRow, snapshot: SessionSnapshot, nowMs: number) {
    this.tenantId = tenantId;
    this.sessionId = row.sessionId;
    this.instanceId = instanceIdOf(row.sessionId);
    this.agentType = row.agentType;
    this.epoch = snapshot.epoch;
    this.lastSeq = snapshot.lastSeq;
    this.updatedAt = row.updatedAt;
    this.lastUsedAt = nowMs;
    this.#row = row;
    this.model = {
      status: snapshot.status,
      openTurn: snapshot.openTurn,
      pendingApprovals: new Set(snapshot.pendingApprovals),
      podiumEventId: snapshot.podiumEventId,
    };
  }

  get meta(): SessionMeta {
    return {
      sessionId: this.sessionId,
      name: this.#row.name,
      agentType: this.agentType,
      status: this.model.status,
      createdAt: this.#row.createdAt,
      updatedAt: this.updatedAt,
      archived: this.#row.archived,
      lastSeq: this.lastSeq,
      waitingFor: waitingFor(this.model),
    };
  }
}

/** A session that is not in memory, as its registry knows it. */
export function metaOfRow(row: RegistryRow): SessionMeta {
  return { ...row, waitingFor: row.status === "waiting" ? "approval" : null };
}
