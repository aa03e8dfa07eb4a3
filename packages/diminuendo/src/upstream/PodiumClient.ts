/**
 * Owns the gateway's conversation with Podium (docs/wire.md §4): instances over REST, one native socket per
 * session in use. Reconnecting and the `after` cursor belong to whoever stores the events.
 */
import { type Actor, signActor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import type * as Scope from "effect/Scope";
import { AppConfig } from "../app-config.ts";
import type { StorageError } from "../db/storage-error.ts";
import type { RemovedCounts } from "../db/stored-registry.ts";
import { Breakers } from "../resilience/Breakers.ts";
import type { FrameInbox } from "./FrameInbox.ts";
import { openSocket } from "./json-socket.ts";
import { PodiumAgentTypes } from "./podium-agent-types.ts";
import type { ToPodium } from "./podium-frames.ts";
import { post, Unreachable, type UpstreamError } from "./upstream-http.ts";

const isRemoval = Schema.is(
  Schema.Struct({
    status: Schema.Literal("removed"),
    turns: Schema.Int,
    events: Schema.Int,
    files: Schema.Int,
  }),
);

export interface PodiumLink {
  /** Everything after the cursor the link was opened with; who stores it may fail it. */
  readonly inbox: FrameInbox<Unreachable | StorageError>;
  readonly send: (frame: ToPodium) => boolean;
}

export class PodiumClient extends Context.Service<
  PodiumClient,
  {
    /** Makes the instance or finds it again; `isNew` means that its event log starts empty. */
    readonly ensureInstance: (
      instanceId: string,
      agentType: string,
      owner: Actor,
    ) => Effect.Effect<{ readonly isNew: boolean }, UpstreamError>;
    /** Deletes the instance for good, and says how much it held; null while its turns are still being stopped there. */
    readonly removeInstance: (
      instanceId: string,
      actor: Actor,
    ) => Effect.Effect<RemovedCounts | null, UpstreamError>;
    readonly connect: (
      instanceId: string,
      afterEventId: number,
    ) => Effect.Effect<PodiumLink, Unreachable, Scope.Scope>;
    /** The agent types that can be run, when `agentType` is known to be none of them; null otherwise. */
    readonly typesInsteadOf: (agentType: string) => Effect.Effect<readonly string[] | null>;
    /** A token that names the person to Podium for a minute. */
    readonly sign: (actor: Actor) => Effect.Effect<string>;
  }
>()("diminuendo/upstream/PodiumClient") {
  static readonly layer = Layer.effect(
    PodiumClient,
    Effect.gen(function* () {
      const { podium, internalSecret } = yield* AppConfig;
      const { guard } = yield* Breakers;
      const socketUrl = podium.url.replace(/^http/, "ws");
      const sign = (actor: Actor) =>
        Effect.promise(() => signActor(actor, "podium", internalSecret));
      const agentTypes = new PodiumAgentTypes(podium);
      return PodiumClient.of({
        typesInsteadOf: (agentType) => agentTypes.insteadOf(agentType),
        ensureInstance: Effect.fn("PodiumClient.ensureInstance")(
          function* (instanceId, agentType, owner) {
            const request = {
              service: "podium",
              url: `${podium.url}/api/v1/instances`,
              key: podium.key,
              body: { instance_id: instanceId, agent_type: agentType },
              actorToken: yield* sign(owner),
            };
            const { status } = yield* guard("podium", post(request));
            return { isNew: status === 201 };
          },
        ),
        removeInstance: Effect.fn("PodiumClient.removeInstance")(function* (instanceId, actor) {
          const request = {
            service: "podium",
            url: `${podium.url}/api/v1/instances/${instanceId}/remove`,
            key: podium.key,
            body: {},
            actorToken: yield* sign(actor),
          };
          const { status, body } = yield* guard("podium", post(request));
          if (status === 202) return null;
          if (isRemoval(body)) return body;
          return yield* new Unreachable({ service: "podium", reason: "it told of no removal" });
        }),
        connect: (instanceId, afterEventId) =>
          guard(
            "podium",
            openSocket<StorageError>(
              "podium",
              `${socketUrl}/agent/${instanceId}?after=${afterEventId}`,
              podium.key,
            ),
          ),
        sign,
      });
    }),
  );
}
