/** A page beside the sessions: puts a feature together with who is signed in and the way to a session. */
import { useMemo } from "react";
import { AutomationsView } from "../features/automations/AutomationsView.tsx";
import { CreditsView } from "../features/credits/CreditsView.tsx";
import { InboxView } from "../features/inbox/InboxView.tsx";
import { IncidentsView } from "../features/incidents/IncidentsView.tsx";
import { maySettle } from "../features/incidents/incidents.ts";
import { MembersView } from "../features/members/MembersView.tsx";
import { OpenQuestionsView } from "../features/questions/OpenQuestionsView.tsx";
import { orderedSessions } from "../features/sessions/sessions.ts";
import { useGatewayState } from "../lib/use-gateway.ts";
import { useIdentity, usePermission } from "../lib/use-permission.ts";
import { Failure } from "../ui/Failure.tsx";
import { Loading } from "../ui/Loading.tsx";
import classes from "./app.module.css";
import { PageHeader } from "./PageHeader.tsx";
import { PLACE_TITLES, placesFor } from "./places.ts";
import type { Place } from "./use-route.ts";

interface Props {
  readonly place: Place;
  readonly onOpenSession: (sessionId: string) => void;
  readonly onMenu: (() => void) | null;
}

export function PlaceScreen({ place, onOpenSession, onMenu }: Props) {
  return (
    <div className={classes["page"]}>
      <PageHeader title={PLACE_TITLES[place]} onMenu={onMenu} />
      <div className={classes["scroll"]}>
        <Content place={place} onOpenSession={onOpenSession} />
      </div>
    </div>
  );
}

type ContentProps = Omit<Props, "onMenu">;

function Content({ place, onOpenSession }: ContentProps) {
  const identity = useIdentity();
  const mayChangeCredits = usePermission("billing:write");
  if (identity === null) return <Loading what={PLACE_TITLES[place]} />;
  if (!placesFor(identity.roles).includes(place)) {
    const reason = "Your role does not allow this. Ask an owner of the workspace.";
    return <Failure title="Not for you" reason={reason} />;
  }
  switch (place) {
    case "inbox":
      return <Inbox onOpenSession={onOpenSession} />;
    case "questions":
      return <Questions />;
    case "automations":
      return <Automations onOpenSession={onOpenSession} />;
    case "incidents":
      return <IncidentsView maySettle={maySettle(identity.roles)} />;
    case "credits":
      return <CreditsView mayChange={mayChangeCredits} onOpenSession={onOpenSession} />;
    case "members":
      return <Members />;
  }
}

type Opens = Pick<Props, "onOpenSession">;

function Inbox({ onOpenSession }: Opens) {
  const mayRetry = usePermission("automation:write");
  return <InboxView mayRetry={mayRetry} onOpenSession={onOpenSession} />;
}

function Questions() {
  const identity = useIdentity();
  const sessions = useGatewayState((state) => state.sessions);
  // A session that starts or stops waiting is told to the whole workspace.
  const version = useMemo(
    () => Object.values(sessions).reduce((sum, one) => sum + one.lastSeq, 0),
    [sessions],
  );
  const { userId = "", roles = [] } = identity ?? {};
  return <OpenQuestionsView me={{ userId, roles }} version={version} />;
}

function Automations({ onOpenSession }: Opens) {
  const identity = useIdentity();
  const write = usePermission("automation:write");
  const manage = usePermission("automation:manage");
  const sessions = useGatewayState((state) => state.sessions);
  const choices = useMemo(() => orderedSessions(sessions), [sessions]);
  return (
    <AutomationsView
      me={identity?.userId}
      rights={{ write, manage }}
      sessions={choices}
      onOpenSession={onOpenSession}
    />
  );
}

function Members() {
  const identity = useIdentity();
  const write = usePermission("member:write");
  const remove = usePermission("member:delete");
  const admin = usePermission("tenant:admin");
  return <MembersView me={identity?.userId ?? ""} rights={{ write, remove, admin }} />;
}
