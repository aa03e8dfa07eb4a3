/**
 * Owns answering the other gateways: for tenants that are ours, and for no other. A token stands for one tenant, and
 * whatever is asked under it is about that tenant (D3). Refuses to own: who may ask at all (transport/http/peer-route.ts).
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Option from "effect/Option";
import { WorkerManager } from "../db/WorkerManager.ts";
import { CurrentTrace } from "../observability/trace.ts";
import { type Refusal, refuse } from "../security/Refusal.ts";
import { Sessions } from "../session/Sessions.ts";
import { asRefusal } from "../transport/inbound.ts";
import { PeerDesk } from "../transport/PeerDesk.ts";
import { type AskedAnywhere, type RouteError, Router } from "../transport/Router.ts";
import { SocketServer } from "../transport/SocketServer.ts";
import { wentElsewhere } from "./elsewhere.ts";
import { Owners } from "./Owners.ts";
import { TenantPlaces } from "./onward.ts";
import {
  type Heads,
  type PeerAnswer,
  type PeerRequest,
  type PeerView,
  readPeerRequest,
  storedOf,
} from "./peer-wire.ts";

/** Needs the router that does things here, not the one that asks others. */
export const peerDesk = Layer.effect(
  PeerDesk,
  Effect.gen(function* () {
    const needs = yield* Effect.context<Needs>();
    return {
      answer: (actor, body) => {
        const request = readPeerRequest(body);
        if (Option.isNone(request)) return Effect.succeed(null);
        return Effect.provideContext(answerIfOurs(actor, request.value), needs);
      },
    };
  }),
);

type Needs = Owners | WorkerManager | Sessions | Router | TenantPlaces | SocketServer;

/** Only who has the tenant answers for it; being asked is no reason to take it. */
const answerIfOurs = Effect.fn("PeerDesk.answer")(function* (actor: Actor, request: PeerRequest) {
  const owners = yield* Owners;
  const isOurs = owners.claimOf(actor.tenant) > 0;
  // The store answers while the tenant is recovered, as recovering may be what the other waits with.
  const stored = request.kind === "read" || request.kind === "write";
  if (isOurs && stored) return yield* answer(actor, request);
  const owner = isOurs ? yield* Effect.option(owners.ownerOf(actor.tenant, "ready")) : none;
  if (Option.isSome(owner) && owner.value.kind === "self") return yield* answer(actor, request);
  return notOwner;
});
const none = Option.none<never>();
const notOwner: PeerAnswer = { kind: "not_owner" };

const answer = Effect.fnUntraced(function* (actor: Actor, request: PeerRequest) {
  const { traceId } = (yield* CurrentTrace) ?? newTrace();
  const answered = Effect.map(
    perform(actor, request),
    (value): PeerAnswer => ({ kind: "answered", value }),
  );
  return yield* answered.pipe(
    Effect.catchCause((cause) =>
      wentElsewhere(cause)
        ? Effect.succeed(notOwner)
        : Effect.map(asRefusal(cause, { traceId }, `${request.kind} of a gateway`), refused),
    ),
  );
});

function refused({ code, message, retryAfterMs }: Refusal): PeerAnswer {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { kind: "refused", code, message, ...wait };
}

const perform = Effect.fnUntraced(function* (
  actor: Actor,
  request: PeerRequest,
): Effect.fn.Return<unknown, RouteError, Needs> {
  switch (request.kind) {
    case "ask": {
      const { publish } = yield* SocketServer;
      const { message, origin } = request;
      const cause = { publishToOthers: publish, ...(origin === null ? {} : { origin }) };
      return yield* (yield* Router).ask(cause, actor, message as AskedAnywhere);
    }
    case "read": {
      const query = storedOf(request.query, actor.tenant);
      return query === null ? yield* foreign : yield* (yield* WorkerManager).read(query);
    }
    case "write": {
      const command = storedOf(request.command, actor.tenant);
      return command === null ? yield* foreign : yield* (yield* WorkerManager).write(command);
    }
    case "view":
      return yield* view(actor.tenant, request.sessionId);
    case "heads":
      return yield* heads(actor.tenant, request.sessionIds);
  }
});

const view = Effect.fnUntraced(function* (tenantId: string, sessionId: string) {
  const session = yield* (yield* Sessions).find(tenantId, sessionId);
  const { epoch, firstSeq, lastSeq, meta, activeTurnId } = session;
  return { epoch, firstSeq, lastSeq, meta, activeTurnId } satisfies PeerView;
});

const heads = Effect.fnUntraced(function* (tenantId: string, sessionIds: readonly string[]) {
  const sessions = yield* Sessions;
  const found: (readonly [string, number])[] = [];
  for (const sessionId of sessionIds) {
    const session = yield* Effect.option(sessions.find(tenantId, sessionId));
    if (Option.isSome(session)) found.push([sessionId, session.value.lastSeq]);
  }
  const { gatewayId } = yield* Owners;
  const place = (yield* TenantPlaces).of(tenantId);
  return { gatewayId, heads: Object.fromEntries(found), place } satisfies Heads;
});

const foreign = Effect.fail(
  refuse("PermissionDenied", "The token stands for another tenant than the request is about."),
);
