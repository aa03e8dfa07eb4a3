/**
 * Owns what stands between a started process and its first client, and between its last and its end. Alone, that is to
 * recover what a dead process left; one of several also shares who has which tenant (`fleet/fleet-life.ts`).
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import type { Scope } from "effect/Scope";
import type { StorageError, WorkerManager } from "../db/WorkerManager.ts";
import type { Attachments } from "./Attachments.ts";
import type { Billing } from "./Billing.ts";
import type { Removals } from "./Removals.ts";
import { recovery } from "./recovery.ts";
import type { Sessions } from "./Sessions.ts";

type Needs = WorkerManager | Billing | Sessions | Attachments | Removals;

export interface Life {
  /** Answers what is done beside the first clients, and before automations run. */
  readonly beforeClients: Effect.Effect<
    Effect.Effect<void, StorageError, Needs>,
    StorageError,
    Needs
  >;
  /** We listen on `port`. */
  readonly withClients: (port: number) => Effect.Effect<void, StorageError, Scope>;
  readonly afterClients: Effect.Effect<void>;
}

export const Life = Context.Reference<Life>("diminuendo/session/Life", {
  defaultValue: () => ({
    beforeClients: recovery(null),
    withClients: () => Effect.void,
    afterClients: Effect.void,
  }),
});
