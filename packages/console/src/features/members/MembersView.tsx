/** Who belongs to the workspace, in which role, and who is invited. */
import type { Invitation, Member, Role } from "@concert/sdk";
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconUsers } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { formatMoment } from "../../lib/format.ts";
import { Empty } from "../../ui/Empty.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import page from "../../ui/page.module.css";
import {
  emailProblem,
  mayChangeRole,
  mayRemove,
  type Rights,
  ROLES,
  roleLabel,
  rolesToGive,
} from "./members.ts";
import { useMembers } from "./use-members.ts";

interface Props {
  readonly me: string;
  readonly rights: Rights;
}

type Change = ReturnType<typeof useMembers>["change"];

export function MembersView({ me, rights }: Props) {
  const { people, action, change } = useMembers();
  return (
    <div className={page["page"]} data-testid="members">
      {rights.write ? (
        <Invite roles={rolesToGive(rights)} pending={action.pending} onInvite={change} />
      ) : null}
      {action.failure === null ? null : <Failure reason={action.failure.reason} />}
      <LoadedView what="members" loaded={people}>
        {({ members, invitations }) => (
          <>
            {members.length === 0 ? (
              <Empty icon={<IconUsers size={32} />} title="Nobody has signed in yet">
                People appear here with their first sign-in; the developer of a machine of one's own
                does not. Invite somebody to give them a role before they come.
              </Empty>
            ) : (
              <ul className={page["list"]}>
                {members.map((one) => (
                  <MemberCard
                    key={one.userId}
                    member={one}
                    me={me}
                    rights={rights}
                    pending={action.pending}
                    onChange={change}
                  />
                ))}
              </ul>
            )}
            {invitations.length === 0 ? null : (
              <>
                <h3 className={page["section"]}>Invited</h3>
                <ul className={page["list"]}>
                  {invitations.map((one) => (
                    <InvitationCard
                      key={one.email}
                      invitation={one}
                      mayRevoke={rights.write}
                      pending={action.pending}
                      onChange={change}
                    />
                  ))}
                </ul>
              </>
            )}
            <Legend />
          </>
        )}
      </LoadedView>
    </div>
  );
}

interface CardProps extends Props {
  readonly member: Member;
  readonly pending: string | null;
  readonly onChange: Change;
}

function MemberCard({ member, me, rights, pending, onChange }: CardProps) {
  const { userId, email, role } = member;
  const [removing, setRemoving] = useState(false);
  const removable = mayRemove(member, me, rights);
  return (
    <li className={page["card"]} data-testid="member" data-user-id={userId}>
      <p className={page["title"]}>
        <span>{email || userId}</span>
        {userId === me ? <span className={page["tag"]}>You</span> : null}
        <span className={page["aside"]}>since {formatMoment(member.since)}</span>
      </p>
      <div className={page["actions"]}>
        {mayChangeRole(member, me, rights) ? (
          <NativeSelect
            size="xs"
            aria-label={`Role of ${email || userId}`}
            value={role}
            disabled={pending !== null}
            data={rolesToGive(rights).map((value) => ({ value, label: roleLabel(value) }))}
            onChange={(event) =>
              void onChange(`role ${userId}`, {
                action: "set_role",
                userId,
                role: event.currentTarget.value as Role,
              })
            }
          />
        ) : (
          <span className={page["tag"]}>{roleLabel(role)}</span>
        )}
        {removable && !removing ? (
          <Button size="compact-sm" variant="default" onClick={() => setRemoving(true)}>
            Remove…
          </Button>
        ) : null}
        {removable && removing ? (
          <>
            <Button
              size="compact-sm"
              loading={pending === `remove ${userId}`}
              onClick={() => void onChange(`remove ${userId}`, { action: "remove", userId })}
            >
              Remove from the workspace
            </Button>
            <Button size="compact-sm" variant="default" onClick={() => setRemoving(false)}>
              Keep
            </Button>
          </>
        ) : null}
      </div>
    </li>
  );
}

function InvitationCard(props: {
  readonly invitation: Invitation;
  readonly mayRevoke: boolean;
  readonly pending: string | null;
  readonly onChange: Change;
}) {
  const { email, role, invitedBy, expiresAt } = props.invitation;
  return (
    <li className={page["card"]} data-testid="invitation">
      <p className={page["title"]}>
        <span>{email}</span>
        <span className={page["tag"]}>{roleLabel(role)}</span>
      </p>
      <p className={page["meta"]}>
        Invited by {invitedBy}, until {formatMoment(expiresAt)}
      </p>
      {props.mayRevoke ? (
        <div className={page["actions"]}>
          <Button
            size="compact-sm"
            variant="default"
            loading={props.pending === `revoke ${email}`}
            onClick={() =>
              void props.onChange(`revoke ${email}`, { action: "revoke_invitation", email })
            }
          >
            Take back
          </Button>
        </div>
      ) : null}
    </li>
  );
}

function Invite(props: {
  readonly roles: readonly Role[];
  readonly pending: string | null;
  readonly onInvite: Change;
}) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("member");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const wrong = emailProblem(email);
    setProblem(wrong);
    if (wrong !== null) return;
    const wish = { action: "invite", email: email.trim(), role } as const;
    if (await props.onInvite("invite", wish)) setEmail("");
  };
  return (
    <form className={page["form"]} onSubmit={(event) => void submit(event)} noValidate>
      <div className={page["actions"]}>
        <TextInput
          aria-label="E-mail of somebody to invite"
          placeholder="name@example.org"
          type="email"
          value={email}
          error={problem}
          data-testid="invite-email"
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <NativeSelect
          aria-label="Role"
          value={role}
          data={props.roles.map((value) => ({ value, label: roleLabel(value) }))}
          onChange={(event) => setRole(event.currentTarget.value as Role)}
        />
        <Button type="submit" loading={props.pending === "invite"} data-testid="invite">
          Invite
        </Button>
      </div>
    </form>
  );
}

function Legend() {
  return (
    <>
      <h3 className={page["section"]}>What roles may do</h3>
      <ul className={page["list"]}>
        {ROLES.map(({ role, label, may }) => (
          <li key={role} className={page["meta"]}>
            <strong>{label}</strong>: {may}
          </li>
        ))}
      </ul>
    </>
  );
}
