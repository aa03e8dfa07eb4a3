/** Who is signed in, and how the console looks. */
import { ActionIcon, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconLogout, IconMoon, IconSun } from "@tabler/icons-react";
import { useGatewayState } from "../lib/use-gateway.ts";
import classes from "./app.module.css";

interface Props {
  readonly onSignOut: () => void;
}

export function AccountBar({ onSignOut }: Props) {
  const connection = useGatewayState((state) => state.connection);
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const identity = connection.state === "connected" ? connection.identity : null;
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <div className={classes["account"]}>
      <div className={classes["who"]}>
        <strong>{identity?.email || identity?.userId || "Offline"}</strong>
        <span>{identity === null ? "reconnecting" : identity.tenantId}</span>
      </div>
      <Tooltip label={`Use the ${other} look`} withArrow>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Use the ${other} look`}
          onClick={() => setColorScheme(other)}
        >
          {scheme === "dark" ? <IconSun size={17} /> : <IconMoon size={17} />}
        </ActionIcon>
      </Tooltip>
      <Tooltip label="Sign out" withArrow>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label="Sign out"
          data-testid="sign-out"
          onClick={onSignOut}
        >
          <IconLogout size={17} />
        </ActionIcon>
      </Tooltip>
    </div>
  );
}
