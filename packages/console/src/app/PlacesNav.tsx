/** The way to the pages beside the sessions; how much waits in the inbox stands beside its name. */
import { UnstyledButton } from "@mantine/core";
import {
  IconAlertTriangle,
  IconClockPlay,
  IconCoins,
  IconHelpCircle,
  IconInbox,
  IconUsers,
} from "@tabler/icons-react";
import { useUnread } from "../features/inbox/use-inbox.ts";
import { useIdentity } from "../lib/use-permission.ts";
import classes from "./app.module.css";
import { PLACE_TITLES, placesFor } from "./places.ts";
import type { Place } from "./use-route.ts";

interface Props {
  readonly current: Place | null;
  readonly onGo: (place: Place) => void;
}

const ICONS = {
  inbox: IconInbox,
  questions: IconHelpCircle,
  automations: IconClockPlay,
  incidents: IconAlertTriangle,
  credits: IconCoins,
  members: IconUsers,
} as const;

const NO_ROLES: readonly string[] = [];

export function PlacesNav({ current, onGo }: Props) {
  const places = placesFor(useIdentity()?.roles ?? NO_ROLES);
  if (places.length === 0) return null;
  return (
    <nav className={classes["places"]} aria-label="Workspace">
      {places.map((place) => {
        const Icon = ICONS[place];
        return (
          <UnstyledButton
            key={place}
            className={classes["place"]}
            aria-current={place === current ? "page" : undefined}
            data-testid={`go-${place}`}
            onClick={() => onGo(place)}
          >
            <Icon size={17} aria-hidden="true" />
            <span>{PLACE_TITLES[place]}</span>
            {place === "inbox" ? <Unread /> : null}
          </UnstyledButton>
        );
      })}
    </nav>
  );
}

function Unread() {
  const unread = useUnread();
  if (unread === null || unread === 0) return null;
  return (
    <span className={classes["count"]} data-testid="unread">
      {unread}
      <span className={classes["hiddenWord"]}> unread</span>
    </span>
  );
}
