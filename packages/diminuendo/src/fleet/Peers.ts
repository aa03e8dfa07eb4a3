/**
 * Owns asking the owner of a tenant, whoever that is just now: finds it, asks it, and asks again when it has died or is the
 * owner no more. What may not happen twice is not asked twice once it was sent. Refuses to own: who is the owner (Owners.ts).
 */
import { ACTOR_HEADER, type Actor, signActor } from "@concert/service-kit/identity";
import { traceparent } from "@concert/service-kit/trace";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Option from "effect/Option";
import { AppConfig } from "../app-config.ts";
import type { StorageError } from "../db/WorkerManager.ts";
import { CurrentTrace } from "../observability/trace.ts";
import { Refusal } from "../security/Refusal.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import { type Owner, Owners } from "./Owners.ts";
import { PEER_AUDIENCE, PEER_PATH, type PeerRequest, readPeerAnswer } from "./peer-wire.ts";

const TIMEOUT_MS = 15_000;
/** Between two looks for an owner that answers. */
const PAUSE = "100 millis";
/** Beyond the time after which a dead owner's tenants are free. */
const PATIENCE_MS = 10_000;

/** The answer of the owner, or that this gateway is the owner itself. */
export type Asked =
  | { readonly kind: "self" }
  | { readonly kind: "answered"; readonly value: unknown };
export type PeerFailure = Refusal | Unreachable | StorageError;

export class Peers extends Context.Service<
  Peers,
  {
    /** `again`: whether the same request may reach an owner twice. */
    readonly ask: (
      actor: Actor,
      request: PeerRequest,
      again: boolean,
    ) => Effect.Effect<Asked, PeerFailure>;
    /** Who asks for the gateway itself. */
    readonly ourselves: (tenantId: string) => Actor;
  }
>()("diminuendo/fleet/Peers") {
  static readonly layer = Layer.effect(
    Peers,
    Effect.gen(function* () {
      const { internalSecret, fleet } = yield* AppConfig;
      const owners = yield* Owners;
      const patienceMs = (fleet?.leaseMs ?? 0) + PATIENCE_MS;

      const send = Effect.fnUntraced(function* (
        { url, gatewayId }: Extract<Owner, { readonly kind: "peer" }>,
        actor: Actor,
        request: PeerRequest,
      ) {
        const trace = yield* CurrentTrace;
        const token = yield* Effect.promise(() => signActor(actor, PEER_AUDIENCE, internalSecret));
        const body = yield* Effect.tryPromise({
          try: async (signal) => {
            const response = await fetch(`${url}${PEER_PATH}`, {
              method: "POST",
              body: JSON.stringify(request),
              headers: {
                [ACTOR_HEADER]: token,
                "content-type": "application/json",
                ...(trace === null ? {} : { traceparent: traceparent(trace) }),
              },
              signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
            });
            if (!response.ok) throw new Error(`status ${response.status}`);
            return response.json();
          },
          catch: (error) => away(`${gatewayId}: ${String(error)}`),
        });
        const answer = readPeerAnswer(body);
        if (Option.isSome(answer)) return answer.value;
        return yield* away(`${gatewayId}: an answer that is none`);
      });

      /** Null: it could not be asked, or is not the owner; look again. */
      const attempt = Effect.fnUntraced(function* (
        actor: Actor,
        request: PeerRequest,
        again: boolean,
      ) {
        // The store answers as soon as it is claimed: recovering asks it too.
        const stored = request.kind === "read" || request.kind === "write";
        const owner = yield* owners.ownerOf(actor.tenant, stored ? "claimed" : "ready");
        if (owner.kind === "self") return owner satisfies Asked;
        const answer = yield* send(owner, actor, request).pipe(
          Effect.catch((error) => (again ? Effect.succeed(null) : Effect.fail(error))),
        );
        if (answer === null || answer.kind === "not_owner") return null;
        if (answer.kind === "answered") return answer satisfies Asked;
        const { kind: _, ...refused } = answer;
        return yield* new Refusal(refused);
      });

      return Peers.of({
        ourselves: (tenant) => ({ tenant, user: owners.gatewayId, roles: [], permissions: [] }),
        ask: Effect.fn("Peers.ask")(function* (actor, request, again) {
          const untilMs = (yield* Clock.currentTimeMillis) + patienceMs;
          for (;;) {
            const asked = yield* attempt(actor, request, again);
            if (asked !== null) return asked;
            if ((yield* Clock.currentTimeMillis) > untilMs) {
              return yield* away(`nobody answers for tenant ${actor.tenant}`);
            }
            yield* Effect.sleep(PAUSE);
            yield* owners.look;
          }
        }),
      });
    }),
  );
}

const away = (reason: string) => new Unreachable({ service: "gateways", reason });
