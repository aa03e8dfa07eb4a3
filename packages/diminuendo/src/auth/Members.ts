/**
 * Owns who somebody is in their tenant beyond what their token says: the registry's members win over the token, and
 * who was removed is nobody here. Answers come from memory while nothing has changed.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { MemberChange, MemberChanged } from "../db/stored-registry.ts";
import type { Remembered } from "../db/stored-session.ts";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { type Invitation, type Member, ROLES, type Role } from "../protocol/index.ts";
import { isRole } from "./permissions.ts";

export interface People {
  readonly members: readonly Member[];
  readonly invitations: readonly Invitation[];
}

export class Members extends Context.Service<
  Members,
  {
    /** The person with the role that counts here; null for somebody who was removed. */
    readonly admit: (
      actor: Actor,
      emailVerified: boolean,
    ) => Effect.Effect<Actor | null, StorageError>;
    readonly people: (tenantId: string) => Effect.Effect<People, StorageError>;
    readonly change: (
      tenantId: string,
      member: MemberChange,
      remembered: Remembered | null,
    ) => Effect.Effect<MemberChanged, StorageError>;
  }
>()("diminuendo/auth/Members") {
  static readonly layer = Layer.effect(
    Members,
    Effect.gen(function* () {
      const workers = yield* WorkerManager;
      const change = Effect.fnUntraced(function* (
        tenantId: string,
        member: MemberChange,
        remembered: Remembered | null,
      ) {
        const nowMs = yield* Clock.currentTimeMillis;
        return yield* workers.write({
          kind: "change_members",
          tenantId,
          member,
          nowMs,
          remembered,
        });
      });
      return Members.of({
        change,
        people: Effect.fnUntraced(function* (tenantId) {
          const nowMs = yield* Clock.currentTimeMillis;
          return yield* workers.read({ kind: "people", tenantId, nowMs });
        }),
        admit: Effect.fn("Members.admit")(function* (actor, emailVerified) {
          const { tenant: tenantId, user: userId, email = "" } = actor;
          const role = strongest(actor);
          const standing = yield* workers.read({ kind: "standing", tenantId, userId });
          if (standing.kind === "removed") return null;
          if (standing.kind === "member" && isSettled(standing.member, role, email)) {
            return asMember(actor, standing.member.role, role);
          }
          if (standing.kind === "stranger" && role === null && !emailVerified) return actor;
          const seen = { change: "seen", userId, email, role, emailVerified } as const;
          const changed = yield* change(tenantId, seen, null);
          return changed.kind === "done" ? asMember(actor, changed.role, role) : null;
        }),
      });
    }),
  );
}

/** Nothing that a sign-in could change. */
const isSettled = (member: Member, role: Role | null, email: string): boolean =>
  member.email === email && (member.source === "set" || member.role === role);

/** The first of ours that the token names, in the order of `ROLES`. */
const strongest = ({ roles }: Actor): Role | null =>
  ROLES.find((role) => roles.includes(role)) ?? null;

/** As the token says, several roles included, unless the registry says otherwise. */
const asMember = (actor: Actor, counts: Role | null, token: Role | null): Actor =>
  counts === token ? actor : withRole(actor, counts);

/** Groups stay as the token has them: they mean something to Concord, and nothing here. */
export function withRole(actor: Actor, role: Role | null): Actor {
  const groups = actor.roles.filter((name) => !isRole(name));
  return { ...actor, roles: role === null ? groups : [role, ...groups] };
}
