/** The line above a page: the way to the sessions on a phone, the title, the page's own tools. */
import { ActionIcon } from "@mantine/core";
import { IconMenu2 } from "@tabler/icons-react";
import type { ReactNode } from "react";
import classes from "./app.module.css";

interface Props {
  readonly title: string;
  readonly detail?: ReactNode;
  /** Null where the sessions are always visible. */
  readonly onMenu: (() => void) | null;
  readonly children?: ReactNode;
}

export function PageHeader({ title, detail, onMenu, children }: Props) {
  return (
    <header className={classes["header"]}>
      {onMenu === null ? null : (
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label="Show sessions"
          data-testid="open-sessions"
          onClick={onMenu}
        >
          <IconMenu2 size={20} />
        </ActionIcon>
      )}
      <div className={classes["headerText"]}>
        <h2>{title}</h2>
        {detail}
      </div>
      {children}
    </header>
  );
}
