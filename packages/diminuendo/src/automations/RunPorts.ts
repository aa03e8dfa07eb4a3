/**
 * Owns what the scheduler needs of the rest of the gateway, as one port: the registry, and turns in the name of an
 * automation's owner. Asking twice for the turn of one attempt is asking once.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import type * as Effect from "effect/Effect";
import type { StoredDelivery, StoredRun } from "../db/stored-automations.ts";
import type { StorageError, WorkerManager } from "../db/WorkerManager.ts";
import type { ServerMessage } from "../protocol/index.ts";
import type { Refusal } from "../security/Refusal.ts";
import type { SessionGone } from "../session/session-log.ts";
import type { Sent } from "./core/delivery-attempts.ts";
import type { AttemptEnd } from "./core/endings.ts";

export interface BegunTurn {
  readonly sessionId: string;
  readonly turnId: string;
}

export class RunPorts extends Context.Service<
  RunPorts,
  {
    readonly read: WorkerManager["Service"]["read"];
    readonly write: WorkerManager["Service"]["write"];
    /** The owner with the role that counts today; null for somebody who belongs to the tenant no more. */
    readonly ownerNow: (owner: Actor) => Effect.Effect<Actor | null, StorageError>;
    readonly begin: (
      run: StoredRun,
      owner: Actor,
    ) => Effect.Effect<BegunTurn, Refusal | StorageError | SessionGone>;
    /** A turn that is over cannot be stopped any more, and need not. */
    readonly stop: (run: StoredRun) => Effect.Effect<void, StorageError>;
    /** Tells the session that the automation delivers to, once for each run. */
    readonly deliver: (run: StoredRun, end: AttemptEnd) => Effect.Effect<void, StorageError>;
    /** Tells somebody outside: one attempt. */
    readonly send: (delivery: StoredDelivery) => Effect.Effect<Sent, StorageError>;
    readonly tellTenant: (tenantId: string, notice: ServerMessage) => void;
  }
>()("diminuendo/automations/RunPorts") {}
