/**
 * Owns the life of a gateway in a fleet: it announces itself once it can be reached, brings up the tenants it wins, lets go
 * of those it loses, and looks every two seconds whether what it tells of other gateways' tenants is what they have. That
 * look bounds how long a lost hint can stay unnoticed, whichever side lost it.
 */
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schedule from "effect/Schedule";
import { AppConfig } from "../app-config.ts";
import { WorkerManager } from "../db/WorkerManager.ts";
import { Attachments } from "../session/Attachments.ts";
import type { Billing } from "../session/Billing.ts";
import { Life } from "../session/life.ts";
import type { Removals } from "../session/Removals.ts";
import { recovery } from "../session/recovery.ts";
import { Sessions } from "../session/Sessions.ts";
import { TurnNews } from "../session/TurnNews.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import { Broadcast } from "./Broadcast.ts";
import { Followers } from "./Followers.ts";
import { notTaken, Owners } from "./Owners.ts";
import { Peers } from "./Peers.ts";
import type { Heads } from "./peer-wire.ts";
import { TenantNews } from "./TenantNews.ts";

const LOOK_EVERY = "2 seconds";
const AT_ONCE = 4;

type Needs =
  | AppConfig
  | Attachments
  | Billing
  | Broadcast
  | Broadcaster
  | Followers
  | Owners
  | Peers
  | Removals
  | Sessions
  | TenantNews
  | TurnNews
  | WorkerManager;

export const fleetLife = Layer.effect(
  Life,
  Effect.gen(function* () {
    const needs = yield* Effect.context<Needs>();
    const { withdraw } = yield* Owners;
    return {
      // Nothing is ours before the others know of us.
      beforeClients: Effect.succeed(Effect.void),
      withClients: (port) => Effect.provideContext(begin(port), needs),
      afterClients: withdraw,
    };
  }),
);

const begin = Effect.fnUntraced(function* (port: number) {
  const { listen, fleet } = yield* AppConfig;
  const owners = yield* Owners;
  const broadcast = yield* Broadcast;
  const followers = yield* Followers;
  const news = yield* TenantNews;
  const { peek } = yield* Sessions;
  const needs = yield* Effect.context<Needs>();
  const fork = Effect.runForkWith(needs);
  const hook = (work: (tenantId: string) => Effect.Effect<void, never, Needs>) => (id: string) =>
    Effect.provideContext(work(id), needs);
  followers.ownSeqFrom((sessionId) => peek(sessionId)?.lastSeq);
  broadcast.hear((hint, from) => {
    followers.hear(hint);
    news.hear(hint, from);
  });
  broadcast.onDoubt(() => void fork(doubtAll));
  const url = fleet?.peerUrl ?? `http://${listen.host}:${port}`;
  yield* owners.begin({ url, won: hook(won), lost: hook(lost), moved: hook(moved) });
  yield* Effect.forkScoped(takeLeftOver);
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_EVERY)));
});

/** Our readers hear what they have not heard, then whatever was going on goes on here. */
const won = Effect.fnUntraced(function* (tenantId: string) {
  const followers = yield* Followers;
  const { sendAway } = yield* Broadcaster;
  const readers = followers.read(tenantId);
  yield* followers.settle(tenantId).pipe(
    Effect.catch(({ reason }) => {
      for (const sessionId of readers) sendAway(sessionId, "reconnect: its log has moved");
      return Effect.logError(`what ${tenantId} has not heard could not be read: ${reason}`);
    }),
  );
  yield* Effect.flatten(recovery(tenantId)).pipe(
    Effect.catch(({ reason }) => Effect.logError(`${tenantId} is not recovered: ${reason}`)),
  );
  yield* (yield* TenantNews).doubt(tenantId);
  // Its automations go on here too.
  (yield* TurnNews).tell(tenantId, null);
});

/** Nothing of it may be changed from memory any more, and who reads from there must come back. */
const lost = Effect.fnUntraced(function* (tenantId: string) {
  const sessions = yield* Sessions;
  const { abandon } = yield* Attachments;
  const { sendAway } = yield* Broadcaster;
  for (const session of sessions.loaded().filter((one) => one.tenantId === tenantId)) {
    sessions.forget(session, "moved");
    const bond = session.attachment;
    session.attachment = null;
    sendAway(session.sessionId, "reconnect: another gateway has the session now");
    // Not waited for: the bond may be what noticed.
    yield* Effect.forkDetach(abandon(bond));
  }
});

const moved = Effect.fnUntraced(function* (tenantId: string) {
  yield* (yield* Followers).doubt(tenantId);
  yield* (yield* TenantNews).doubt(tenantId);
});

const look = Effect.gen(function* () {
  const followers = yield* Followers;
  const news = yield* TenantNews;
  yield* Effect.forEach(new Set([...followers.tenants(), ...news.tenants()]), lookAt, {
    concurrency: AT_ONCE,
    discard: true,
  });
  yield* followers.sweep;
});

const lookAt = Effect.fnUntraced(
  function* (tenantId: string) {
    const peers = yield* Peers;
    const followers = yield* Followers;
    const sessionIds = followers.read(tenantId);
    const request = { kind: "heads", sessionIds } as const;
    const asked = yield* peers.ask(peers.ourselves(tenantId), request, true);
    if (asked.kind === "self") return;
    const { gatewayId, heads, place } = asked.value as Heads;
    yield* followers.compare(tenantId, sessionIds, heads);
    yield* (yield* TenantNews).compare(tenantId, gatewayId, place);
  },
  Effect.catch((error) => Effect.logDebug(`no look at a tenant: ${error.message}`)),
);

/** Tenants that a gateway left without a row in the table: one that was alone, or a table that was lost. */
const takeLeftOver = Effect.gen(function* () {
  const workers = yield* WorkerManager;
  const owners = yield* Owners;
  const { active, doomed, unremoved, held } = yield* workers.read({
    kind: "left_over",
    ofTenant: null,
  });
  const tenants = new Set([...active, ...doomed, ...unremoved, ...held].map((one) => one.tenantId));
  yield* Effect.forEach(
    tenants,
    (tenantId) =>
      Effect.catch(owners.ownerOf(tenantId, "ready"), (error) => notTaken(tenantId, error)),
    { concurrency: AT_ONCE, discard: true },
  );
});

const doubtAll = Effect.gen(function* () {
  const { claimOf } = yield* Owners;
  const news = yield* TenantNews;
  yield* (yield* Followers).doubt();
  for (const tenantId of news.tenants()) {
    if (claimOf(tenantId) === 0) yield* news.doubt(tenantId);
  }
});
