/** Something did not work: what, and a way on. */
import { Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import classes from "./ui.module.css";

interface Props {
  readonly title?: string;
  readonly reason: string;
  readonly onRetry?: () => void;
}

export function Failure({ title, reason, onRetry }: Props) {
  return (
    <div className={classes["failure"]} role="alert">
      <IconAlertTriangle size={18} aria-hidden="true" />
      <div className={classes["failureText"]}>
        {title === undefined ? null : <strong>{title}</strong>}
        <span>{reason}</span>
      </div>
      {onRetry === undefined ? null : (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
