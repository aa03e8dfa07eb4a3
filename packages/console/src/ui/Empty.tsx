/** Nothing is here yet: what would be, and how it comes. */
import type { ReactNode } from "react";
import classes from "./page.module.css";

interface Props {
  readonly icon: ReactNode;
  readonly title: string;
  readonly children: ReactNode;
}

export function Empty({ icon, title, children }: Props) {
  return (
    <div className={classes["empty"]} data-testid="empty">
      <span aria-hidden="true">{icon}</span>
      <h3>{title}</h3>
      <p>{children}</p>
    </div>
  );
}
