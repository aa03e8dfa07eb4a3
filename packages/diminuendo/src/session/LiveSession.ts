/**
 * Owns one session in memory: what is committed, and who may change it next. Fields are replaced only by
 * Sessions.ts, in the same turn of the event loop in which the change is published.
 */
import type * as Fiber from "effect/Fiber";
import type { RegistryRow } from "../db/stored-registry.ts";
import type { DeltaRange, SessionSnapshot } from "../db/stored-session.ts";
import type { SessionMeta, SessionStatus, WaitingFor } from "../protocol/index.ts";
import type { PodiumLink } from "../upstream/PodiumClient.ts";
import { instanceIdOf } from "./ids.ts";
import { SessionLock } from "./SessionLock.ts";
import type { SessionView } from "./SessionView.ts";
import { type SessionModel, waitingFor } from "./session-model.ts";

/** `moved`: another gateway has it now. */
export type Gone = "deleted" | "moved";

/** What a session's registry keeps up with. */
export interface Mark {
  readonly status: SessionStatus;
  readonly waitingFor: WaitingFor | null;
  readonly lastSeq: number;
  readonly updatedAt: number;
}

export class LiveSession implements SessionView {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly instanceId: string;
  readonly agentType: string;
  readonly epoch: string;
  /** What it was opened under: what is written under another is refused. */
  readonly claim: number | undefined;
  /** One change at a time: decide, commit, publish. */
  readonly lock = new SessionLock();
  model: SessionModel;
  /** `seq` of the newest published event. */
  lastSeq: number;
  /** `seq` of the oldest event in the log when it was opened; compaction never takes the first. */
  readonly #firstSeq: number;
  /** Where the deltas of unfinished messages are. */
  deltas: ReadonlyMap<string, DeltaRange>;
  /** What became of it while somebody still held on to it: nothing may be written any more. */
  gone: Gone | null = null;
  /** As a dead process left it: it has to be recovered before anybody has it (Sessions.ts). */
  isLeft: boolean;
  /** What its registry says of it. */
  marked: Mark;
  updatedAt: number;
  lastUsedAt: number;
  /** The open socket to Podium, while there is one. */
  link: PodiumLink | null = null;
  /** Steering frames on the open socket that Podium has neither taken nor refused. */
  unansweredSteers = 0;
  /** The fiber that keeps the session attached to Podium, while it has reason to. */
  attachment: Fiber.Fiber<void> | null = null;
  #row: RegistryRow;

  constructor(
    tenantId: string,
    row: RegistryRow,
    snapshot: SessionSnapshot,
    { nowMs, claim }: { readonly nowMs: number; readonly claim?: number | undefined },
  ) {
    this.claim = claim;
    this.tenantId = tenantId;
    this.sessionId = row.sessionId;
    this.instanceId = instanceIdOf(row.sessionId);
    this.agentType = row.agentType;
    this.epoch = snapshot.epoch;
    this.lastSeq = snapshot.lastSeq;
    this.#firstSeq = snapshot.firstSeq;
    this.deltas = new Map(snapshot.deltas);
    this.updatedAt = row.updatedAt;
    this.lastUsedAt = nowMs;
    this.#row = row;
    // Only an inactive session ever leaves memory.
    this.isLeft = snapshot.status !== "inactive";
    const { status, waitingFor, lastSeq, updatedAt } = row;
    this.marked = { status, waitingFor, lastSeq, updatedAt };
    this.model = {
      status: snapshot.status,
      openTurn: snapshot.openTurn,
      waiting: snapshot.waiting,
      steers: snapshot.steers,
      pendingRequests: new Set(snapshot.pendingRequests),
      podiumEventId: snapshot.podiumEventId,
    };
  }

  /** `seq` of the oldest event in the log; 0 while there is none. */
  get firstSeq(): number {
    return this.#firstSeq === 0 && this.lastSeq > 0 ? 1 : this.#firstSeq;
  }

  get activeTurnId(): string | null {
    return this.model.openTurn?.turnId ?? null;
  }

  get isArchived(): boolean {
    return this.#row.archived;
  }

  /** Called after the registry has it. */
  relabelled(row: RegistryRow): void {
    this.#row = row;
    this.updatedAt = row.updatedAt;
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
