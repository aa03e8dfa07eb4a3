/** The connection, only when it has been gone long enough to matter. Says nothing about the agents. */
import type { ConnectionStatus } from "@concert/sdk";
import { Loader } from "@mantine/core";
import { useEffect, useState } from "react";
import classes from "./connection.module.css";

interface Props {
  readonly connection: ConnectionStatus;
}

const QUIET_MS = 2_000;

export function ConnectionBannerView({ connection }: Props) {
  const visible = useLasting(connection.state !== "connected", QUIET_MS);
  if (!visible) return null;
  const reason = connection.state === "reconnecting" ? ` ${connection.reason}` : "";
  return (
    <div className={classes["banner"]} role="status" data-testid="connection-banner">
      <Loader size={14} color="currentColor" />
      <span>
        <strong>Reconnecting.</strong>
        {reason} Agents keep working; you will miss nothing.
      </span>
    </div>
  );
}

/** Whether `holds` has been true for `afterMs` without a break. */
function useLasting(holds: boolean, afterMs: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!holds) return setLasting(false);
    const timer = setTimeout(() => setLasting(true), afterMs);
    return () => clearTimeout(timer);
  }, [holds, afterMs]);
  return lasting;
}
