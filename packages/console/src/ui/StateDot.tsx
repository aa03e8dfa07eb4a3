/** A session's state at a glance; the word is there for those who do not see colours. */
import { Tooltip } from "@mantine/core";
import classes from "./ui.module.css";

interface Props {
  readonly status: string;
  readonly label: string;
}

export function StateDot({ status, label }: Props) {
  return (
    <Tooltip label={label} withArrow>
      <span className={classes["dot"]} data-status={status} role="img" aria-label={label} />
    </Tooltip>
  );
}
