/** Every session of the workspace: what it is about, how it stands, when something last happened. */

import type { SessionMeta } from "@concert/sdk";
import { Button, Skeleton, UnstyledButton } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { formatAge } from "../../lib/format.ts";
import type { Joining } from "../../lib/gateway-state.ts";
import { useNow } from "../../lib/use-now.ts";
import { Failure } from "../../ui/Failure.tsx";
import { StateDot } from "../../ui/StateDot.tsx";
import classes from "./sessions.module.css";
import { NEEDS, sessionState } from "./sessions.ts";

interface Props {
  readonly sessions: readonly SessionMeta[];
  readonly list: Joining;
  readonly selectedId: string | null;
  readonly onSelect: (sessionId: string) => void;
  /** Null: the reader may not. */
  readonly onNew: (() => void) | null;
  readonly onRetry: () => void;
}

const AGE_INTERVAL_MS = 30_000;

export function SessionListView(props: Props) {
  const { sessions, list, onNew, onRetry } = props;
  return (
    <nav className={classes["nav"]} aria-label="Sessions">
      {onNew === null ? null : (
        <Button
          fullWidth
          variant="default"
          justify="flex-start"
          leftSection={<IconPlus size={16} />}
          data-testid="new-session"
          onClick={onNew}
        >
          New session
        </Button>
      )}
      {list.status === "failed" ? <Failure reason={list.reason} onRetry={onRetry} /> : null}
      {list.status === "joining" && sessions.length === 0 ? <Loading /> : null}
      {list.status === "ready" && sessions.length === 0 ? (
        <p className={classes["empty"]}>Your sessions appear here. Each keeps its whole record.</p>
      ) : null}
      <SessionItems {...props} />
    </nav>
  );
}

function SessionItems({ sessions, selectedId, onSelect }: Props) {
  const nowMs = useNow(AGE_INTERVAL_MS);
  return (
    <ul className={classes["list"]}>
      {sessions.map((session) => (
        <li key={session.sessionId}>
          <UnstyledButton
            className={classes["item"]}
            data-testid="session-item"
            data-session-id={session.sessionId}
            aria-current={session.sessionId === selectedId ? "page" : undefined}
            onClick={() => onSelect(session.sessionId)}
          >
            <StateDot status={session.status} label={sessionState(session)} />
            <span className={classes["name"]}>{session.name || "Untitled session"}</span>
            <span className={classes["age"]}>{formatAge(session.updatedAt, nowMs)}</span>
            {session.waitingFor === null ? null : (
              <span className={classes["badge"]} data-testid="waiting-badge">
                {NEEDS[session.waitingFor]}
              </span>
            )}
          </UnstyledButton>
        </li>
      ))}
    </ul>
  );
}

function Loading() {
  return (
    <div className={classes["loading"]} role="status" aria-label="Loading sessions">
      <Skeleton height={14} width="80%" />
      <Skeleton height={14} width="62%" />
      <Skeleton height={14} width="71%" />
    </div>
  );
}
