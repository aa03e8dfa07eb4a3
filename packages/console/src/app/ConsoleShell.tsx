/** The frame around every page: sessions at the left, the page beside them, the connection above. */
import { Drawer } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { useCallback, useMemo } from "react";
import { ConnectionBannerView } from "../features/connection/ConnectionBannerView.tsx";
import { SessionListView } from "../features/sessions/SessionListView.tsx";
import { orderedSessions } from "../features/sessions/sessions.ts";
import { useGateway, useGatewayState } from "../lib/use-gateway.ts";
import { usePermission } from "../lib/use-permission.ts";
import { AccountBar } from "./AccountBar.tsx";
import classes from "./app.module.css";
import { Brand } from "./Brand.tsx";
import { NewSessionScreen } from "./NewSessionScreen.tsx";
import { PlaceScreen } from "./PlaceScreen.tsx";
import { PlacesNav } from "./PlacesNav.tsx";
import { SessionScreen } from "./SessionScreen.tsx";
import { type Place, useRoute } from "./use-route.ts";

interface Props {
  readonly onSignOut: () => void;
}

export function ConsoleShell({ onSignOut }: Props) {
  const { route, go } = useRoute();
  const connection = useGatewayState((state) => state.connection);
  const docked = useMediaQuery("(min-width: 48em)", true, { getInitialValueInEffect: false });
  const [menuOpen, menu] = useDisclosure(false);
  const openSession = useCallback(
    (sessionId: string) => {
      menu.close();
      go({ page: "session", sessionId });
    },
    [go, menu.close],
  );
  const startNew = useCallback(() => {
    menu.close();
    go({ page: "new" });
  }, [go, menu.close]);

  const goTo = useCallback(
    (place: Place) => {
      menu.close();
      go({ page: place });
    },
    [go, menu.close],
  );

  const place = route.page === "new" || route.page === "session" ? null : route.page;
  const selectedId = route.page === "session" ? route.sessionId : null;
  const sidebar = (
    <Sidebar
      selectedId={selectedId}
      onSelect={openSession}
      onNew={startNew}
      place={place}
      onGo={goTo}
      onSignOut={onSignOut}
    />
  );
  const onMenu = docked ? null : menu.open;
  return (
    <div className={classes["shell"]}>
      <a className={classes["skip"]} href="#main">
        Skip to the page
      </a>
      {docked ? <aside className={classes["sidebar"]}>{sidebar}</aside> : null}
      <Drawer
        opened={menuOpen && !docked}
        onClose={menu.close}
        size={300}
        withCloseButton={false}
        padding={0}
        aria-label="Sessions"
        classNames={{ content: classes["drawer"] ?? "", body: classes["drawerBody"] ?? "" }}
      >
        {sidebar}
      </Drawer>
      <main className={classes["main"]} id="main">
        <ConnectionBannerView connection={connection} />
        {route.page === "session" ? (
          <SessionScreen
            key={route.sessionId}
            sessionId={route.sessionId}
            onMenu={onMenu}
            onDeleted={startNew}
          />
        ) : place === null ? (
          <NewSessionScreen onCreated={openSession} onMenu={onMenu} />
        ) : (
          <PlaceScreen key={place} place={place} onOpenSession={openSession} onMenu={onMenu} />
        )}
      </main>
    </div>
  );
}

interface SidebarProps {
  readonly selectedId: string | null;
  readonly onSelect: (sessionId: string) => void;
  readonly onNew: () => void;
  readonly place: Place | null;
  readonly onGo: (place: Place) => void;
  readonly onSignOut: () => void;
}

function Sidebar(props: SidebarProps) {
  const { selectedId, onSelect, onNew, place, onGo, onSignOut } = props;
  const gateway = useGateway();
  const mayCreate = usePermission("session:create");
  const sessions = useGatewayState((state) => state.sessions);
  const list = useGatewayState((state) => state.sessionList);
  const ordered = useMemo(() => orderedSessions(sessions), [sessions]);
  return (
    <>
      <Brand />
      <PlacesNav current={place} onGo={onGo} />
      <SessionListView
        sessions={ordered}
        list={list}
        selectedId={selectedId}
        onSelect={onSelect}
        onNew={mayCreate ? onNew : null}
        onRetry={() => void gateway.refreshSessions()}
      />
      <AccountBar onSignOut={onSignOut} />
    </>
  );
}
