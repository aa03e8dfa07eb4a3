/**
 * Owns what a tenant's clients hear beside the events of sessions: that there is another session or a changed one, and that
 * somebody has another role. The owner counts what it tells. Where the count does not fit, hints were lost, and this
 * gateway reads the list of sessions and the people's standing instead of them.
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { encodeServerFrame } from "../protocol/index.ts";
import { applyRole } from "../session/messages/member-messages.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import { SocketServer } from "../transport/SocketServer.ts";
import type { Hint } from "./hints.ts";

/** As many sessions, used last, are told anew. */
const SESSIONS_MAX = 200;
/** What changed up to this long before the last sure moment is told again: clocks differ, and told twice is harmless. */
const MARGIN_MS = 30_000;

interface Heard {
  readonly from: string;
  place: number;
  /** What the owner said it had told, when that was more than was heard; the rest may be under way. */
  awaited: number | null;
  sureAtMs: number;
}

export class TenantNews extends Context.Service<
  TenantNews,
  {
    readonly hear: (hint: Hint, from: string) => void;
    /** Tenants with a client here. */
    readonly tenants: () => ReadonlySet<string>;
    /** The owner `from` has told so much: looks if that is more than was heard, also a moment ago. */
    readonly compare: (tenantId: string, from: string, place: number) => Effect.Effect<void>;
    /** Tells this tenant's clients anew what may have been missed. */
    readonly doubt: (tenantId: string) => Effect.Effect<void>;
  }
>()("diminuendo/fleet/TenantNews") {
  static readonly layer = Layer.effect(
    TenantNews,
    Effect.gen(function* () {
      const server = yield* SocketServer;
      const broadcaster = yield* Broadcaster;
      const workers = yield* WorkerManager;
      const heard = new Map<string, Heard>();
      const fork = Effect.runForkWith(yield* Effect.context<never>());

      const clientsOf = (tenantId: string) =>
        [...server.connections].filter(({ actor }) => actor?.tenant === tenantId);

      const tellList = Effect.fnUntraced(function* (tenantId: string, sinceMs: number) {
        const query = { kind: "list_sessions", tenantId, includeArchived: true } as const;
        const rows = yield* workers.read({ ...query, after: null, limit: SESSIONS_MAX });
        for (const row of rows.filter(({ updatedAt }) => updatedAt >= sinceMs)) {
          const told = { type: "session_updated" as const, session: row };
          broadcaster.deliverToTenant(tenantId, encodeServerFrame(told), null);
        }
      });

      const checkPeople = Effect.fnUntraced(function* (tenantId: string) {
        const users = new Set(clientsOf(tenantId).flatMap(({ actor }) => actor?.user ?? []));
        for (const userId of users) {
          const standing = yield* workers.read({ kind: "standing", tenantId, userId });
          if (standing.kind === "removed") {
            applyRole(server.connections, { tenantId, userId, role: null });
          } else if (standing.kind === "member" && standing.member.source === "set") {
            applyRole(server.connections, { tenantId, userId, role: standing.member.role });
          }
        }
      });

      const lookAgain = Effect.fnUntraced(function* (tenantId: string) {
        const nowMs = yield* Clock.currentTimeMillis;
        const known = heard.get(tenantId);
        const sinceMs = (known?.sureAtMs ?? nowMs) - MARGIN_MS;
        if (known !== undefined) known.sureAtMs = nowMs;
        yield* tellList(tenantId, sinceMs);
        yield* checkPeople(tenantId);
      });
      const lookQuietly = (tenantId: string): Effect.Effect<void> =>
        clientsOf(tenantId).length === 0
          ? Effect.sync(() => void heard.delete(tenantId))
          : lookAgain(tenantId).pipe(
              Effect.catch((error: StorageError) => {
                heard.delete(tenantId);
                return Effect.logWarning(`news of ${tenantId} could not be read: ${error.reason}`);
              }),
            );

      /** Whether a notice follows on the one before. */
      const follows = (tenantId: string, from: string, place: number): boolean => {
        const known = heard.get(tenantId);
        const follow = known?.from === from && place === known.place + 1;
        const sureAtMs = known?.sureAtMs ?? 0;
        if (known !== undefined) heard.set(tenantId, { from, place, awaited: null, sureAtMs });
        return follow || known === undefined;
      };

      return TenantNews.of({
        tenants: () => new Set([...server.connections].flatMap(({ actor }) => actor?.tenant ?? [])),
        hear: (hint, from) => {
          if (hint.kind !== "tenant_notice" && hint.kind !== "role_changed") return;
          const { tenantId, place } = hint;
          if (!follows(tenantId, from, place)) fork(lookQuietly(tenantId));
          if (hint.kind === "tenant_notice") {
            broadcaster.deliverToTenant(tenantId, hint.text, hint.origin);
          } else applyRole(server.connections, hint);
        },
        compare: Effect.fnUntraced(function* (tenantId, from, place) {
          const nowMs = yield* Clock.currentTimeMillis;
          const known = heard.get(tenantId);
          if (known === undefined || known.from !== from) {
            heard.set(tenantId, { from, place, awaited: null, sureAtMs: known?.sureAtMs ?? nowMs });
            return yield* lookQuietly(tenantId);
          }
          if (known.place >= place) {
            known.awaited = null;
            known.sureAtMs = nowMs;
          } else if (known.awaited === null || known.place >= known.awaited) {
            known.awaited = place;
          } else {
            heard.set(tenantId, { from, place, awaited: null, sureAtMs: known.sureAtMs });
            yield* lookQuietly(tenantId);
          }
        }),
        doubt: lookQuietly,
      });
    }),
  );
}
