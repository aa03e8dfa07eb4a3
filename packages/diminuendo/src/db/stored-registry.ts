/** Owns what a tenant's registry keeps, as plain data that crosses a thread. */
import type { Invitation, Member, Role, SessionStatus, WaitingFor } from "../protocol/index.ts";
import type { Deletion } from "./deletion-table.ts";
import type { Remembered } from "./stored-session.ts";

/** A session as the tenant's registry knows it; status, waitingFor and lastSeq follow the session's own database. */
export interface RegistryRow {
  readonly sessionId: string;
  readonly name: string;
  readonly agentType: string;
  readonly status: SessionStatus;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archived: boolean;
  readonly lastSeq: number;
  readonly waitingFor: WaitingFor | null;
}

export interface CreateSession {
  readonly kind: "create_session";
  readonly tenantId: string;
  readonly row: RegistryRow;
  readonly userId: string;
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}
export type Created =
  | { readonly kind: "created" }
  | { readonly kind: "repeated"; readonly sessionId: string }
  | { readonly kind: "conflict" };

export interface UpdateSession {
  readonly kind: "update_session";
  readonly tenantId: string;
  readonly sessionId: string;
  readonly status: SessionStatus;
  readonly lastSeq: number;
  readonly updatedAt: number;
  readonly waitingFor: WaitingFor | null;
}

/** A gateway is to be the only one that writes for the tenant. */
export interface ClaimTenant {
  readonly kind: "claim_tenant";
  readonly tenantId: string;
  readonly gatewayId: string;
  readonly nowMs: number;
}

/** What people call a session and whether they have put it away. */
export interface LabelSession {
  readonly kind: "label_session";
  readonly tenantId: string;
  readonly sessionId: string;
  readonly name?: string;
  readonly archived?: boolean;
  readonly nowMs: number;
  readonly remembered: Remembered | null;
}

/** Takes a session off the list; its own directory goes with `drop_session`. */
export interface ForgetSession {
  readonly kind: "forget_session";
  readonly tenantId: string;
  readonly sessionId: string;
  /** Absent in a delegate's log of before what is at Podium was removed. */
  readonly deletion?: Deletion;
  readonly nowMs: number;
  readonly remembered: Remembered | null;
}

/** Podium has nothing of a deleted session any more. */
export interface Removed {
  readonly kind: "session_removed";
  readonly tenantId: string;
  readonly sessionId: string;
  /** How much it had. */
  readonly counts: RemovedCounts;
  readonly nowMs: number;
}
export interface RemovedCounts {
  readonly turns: number;
  readonly events: number;
  readonly files: number;
}

/** One change to the people of a tenant. */
export type MemberChange =
  /** Somebody signed in; `role` null when their token names none of ours. */
  | {
      readonly change: "seen";
      readonly userId: string;
      readonly email: string;
      readonly role: Role | null;
      /** Whether the sign-in vouches for the address: only then an invitation counts. */
      readonly emailVerified: boolean;
    }
  | { readonly change: "set_role"; readonly userId: string; readonly role: Role }
  | { readonly change: "remove"; readonly userId: string }
  | { readonly change: "invite"; readonly invitation: Invitation }
  | { readonly change: "revoke_invitation"; readonly email: string };

export interface ChangeMembers {
  readonly kind: "change_members";
  readonly tenantId: string;
  readonly member: MemberChange;
  readonly nowMs: number;
  readonly remembered: Remembered | null;
}
export type MemberChanged =
  | { readonly kind: "done"; readonly role: Role | null }
  /** Nobody is an owner after that. */
  | { readonly kind: "last_owner" }
  | { readonly kind: "unknown" };

/** What the registry knows of one person: `removed` beats whatever a token says. */
export type Standing =
  | { readonly kind: "stranger" }
  | { readonly kind: "removed" }
  | { readonly kind: "member"; readonly member: Member };
