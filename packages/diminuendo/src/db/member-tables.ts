/**
 * Owns the SQL of a tenant's people: who belongs to it in which role, and who is invited. What an administrator has
 * set wins over what a token says; who was removed stays out, whatever their token says.
 */
import type { Database } from "bun:sqlite";
import type { Invitation, Member, Role } from "../protocol/index.ts";
import { remember } from "./answers-table.ts";
import type { ChangeMembers, MemberChange, MemberChanged, Standing } from "./stored-registry.ts";

/** One change, in the transaction it is called in. */
export function changeMembers(database: Database, command: ChangeMembers): MemberChanged {
  const changed = perform(database, command.member, command.nowMs);
  if (changed.kind === "done" && command.remembered !== null) {
    remember(database, command.remembered, command.nowMs);
  }
  return changed;
}

function perform(database: Database, member: MemberChange, nowMs: number): MemberChanged {
  switch (member.change) {
    case "seen":
      return seen(database, member, nowMs);
    case "set_role":
      return setRole(database, member.userId, member.role);
    case "remove":
      return remove(database, member.userId);
    case "invite": {
      const { email, role, invitedBy, expiresAt } = member.invitation;
      database
        .query("INSERT OR REPLACE INTO invitations VALUES (?, ?, ?, ?)")
        .run(email, role, invitedBy, expiresAt);
      return { kind: "done", role: null };
    }
    case "revoke_invitation": {
      const { changes } = database
        .query("DELETE FROM invitations WHERE email = ?")
        .run(member.email);
      return changes > 0 ? { kind: "done", role: null } : { kind: "unknown" };
    }
  }
}

type Seen = Extract<MemberChange, { readonly change: "seen" }>;

/** A sign-in: an invitation to a vouched-for address is taken up, a role from the token is followed. */
function seen(database: Database, { userId, email, role, emailVerified }: Seen, nowMs: number) {
  const known = columnsOf(database, userId);
  if (known?.removed === 1) return { kind: "unknown" } as const;
  const invited = emailVerified ? takeInvitation(database, email, nowMs) : null;
  if (invited !== null) return insert(database, userId, email, invited, "set", nowMs);
  if (known?.source === "set") {
    database.query("UPDATE members SET email = ? WHERE user_id = ?").run(email, userId);
    return { kind: "done", role: known.role } as const;
  }
  // Nobody is a member by a role that their token does not name any more.
  if (role === null) {
    database.query("DELETE FROM members WHERE user_id = ?").run(userId);
    return { kind: "done", role: null } as const;
  }
  return insert(database, userId, email, role, "token", nowMs);
}

function takeInvitation(database: Database, email: string, nowMs: number): Role | null {
  const row = database
    .query<{ role: Role }, [string, number]>(
      "DELETE FROM invitations WHERE email = ? AND expires_at > ? RETURNING role",
    )
    .get(email.toLowerCase(), nowMs);
  return row?.role ?? null;
}

function insert(
  database: Database,
  userId: string,
  email: string,
  role: Role,
  source: Member["source"],
  nowMs: number,
): MemberChanged {
  database
    .query(
      `INSERT INTO members (user_id, email, role, source, since) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, role = excluded.role, source = excluded.source`,
    )
    .run(userId, email, role, source, nowMs);
  return { kind: "done", role };
}

function setRole(database: Database, userId: string, role: Role): MemberChanged {
  const known = columnsOf(database, userId);
  if (known === null || known.removed === 1) return { kind: "unknown" };
  if (role !== "owner" && isLastOwner(database, userId)) return { kind: "last_owner" };
  database.query("UPDATE members SET role = ?, source = 'set' WHERE user_id = ?").run(role, userId);
  return { kind: "done", role };
}

/** Removing somebody twice is as good as once. */
function remove(database: Database, userId: string): MemberChanged {
  if (columnsOf(database, userId) === null) return { kind: "unknown" };
  if (isLastOwner(database, userId)) return { kind: "last_owner" };
  database.query("UPDATE members SET removed = 1 WHERE user_id = ?").run(userId);
  return { kind: "done", role: null };
}

function isLastOwner(database: Database, userId: string): boolean {
  const owners = database
    .query<{ user_id: string }, []>(
      "SELECT user_id FROM members WHERE role = 'owner' AND removed = 0 LIMIT 2",
    )
    .all();
  return owners.length === 1 && owners[0]?.user_id === userId;
}

interface MemberColumns {
  readonly user_id: string;
  readonly email: string;
  readonly role: Role;
  readonly source: Member["source"];
  readonly removed: number;
  readonly since: number;
}

function columnsOf(database: Database, userId: string): MemberColumns | null {
  return database
    .query<MemberColumns, [string]>("SELECT * FROM members WHERE user_id = ?")
    .get(userId);
}

export function standingOf(database: Database, userId: string): Standing {
  const row = columnsOf(database, userId);
  if (row === null) return { kind: "stranger" };
  return row.removed === 1 ? { kind: "removed" } : { kind: "member", member: fromColumns(row) };
}

const PEOPLE_MAX = 10_000;

export function people(database: Database, nowMs: number) {
  const members = database
    .query<MemberColumns, [number]>(
      "SELECT * FROM members WHERE removed = 0 ORDER BY user_id LIMIT ?",
    )
    .all(PEOPLE_MAX)
    .map(fromColumns);
  const invitations = database
    .query<Invitation, [number, number]>(
      `SELECT email, role, invited_by AS invitedBy, expires_at AS expiresAt FROM invitations
       WHERE expires_at > ? ORDER BY email LIMIT ?`,
    )
    .all(nowMs, PEOPLE_MAX);
  return { members, invitations };
}

const fromColumns = ({ user_id, email, role, source, since }: MemberColumns): Member => ({
  userId: user_id,
  email,
  role,
  source,
  since,
});
