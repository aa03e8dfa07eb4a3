/** What was said while the agent works: what it has not read yet, and what runs afterwards. */
import type { PendingSteer, QueuedTurn } from "@concert/sdk";
import { Button } from "@mantine/core";
import classes from "./chat.module.css";

interface Props {
  readonly steers: readonly PendingSteer[];
  readonly queue: readonly QueuedTurn[];
  /** Null: the reader may not. */
  readonly onDequeue: ((turnId: string) => void) | null;
}

export function QueueView({ steers, queue, onDequeue }: Props) {
  if (steers.length === 0 && queue.length === 0) return null;
  return (
    <ul className={classes["queue"]} aria-label="Said meanwhile" data-testid="queue">
      {steers.map(({ steerId, text }) => (
        <li key={steerId} data-testid="pending-steer">
          <span className={classes["queueWhat"]}>The agent reads next</span>
          <span className={classes["queueText"]}>{text}</span>
        </li>
      ))}
      {queue.map(({ turnId, text }) => (
        <li key={turnId} data-testid="queued-turn">
          <span className={classes["queueWhat"]}>Runs afterwards</span>
          <span className={classes["queueText"]}>{text}</span>
          {onDequeue === null ? null : (
            <Button size="compact-xs" variant="subtle" onClick={() => onDequeue(turnId)}>
              Take back
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}
