/** Something that waits for a person: an approval or a question. What it is, how long it may wait, and how it ended. */
import { IconCheck, IconX } from "@tabler/icons-react";
import type { ReactNode, Ref } from "react";
import classes from "./request-card.module.css";

interface Props {
  readonly ref: Ref<HTMLElement>;
  readonly testId: string;
  readonly requestId: string;
  readonly label: string;
  /** Somebody may still answer. */
  readonly waiting: boolean;
  readonly icon: ReactNode;
  readonly headline: string;
  readonly expiry: ReactNode;
  readonly children: ReactNode;
}

export function RequestCard(props: Props) {
  const { ref, testId, requestId, label, waiting, icon, headline, expiry, children } = props;
  return (
    <section
      ref={ref}
      tabIndex={-1}
      className={classes["card"]}
      data-waiting={waiting}
      data-testid={testId}
      data-request-id={requestId}
      aria-label={label}
    >
      <header className={classes["head"]}>
        {icon}
        <span>{headline}</span>
        {waiting ? expiry : null}
      </header>
      {children}
    </section>
  );
}

export function RequestTitle({ children }: { readonly children: ReactNode }) {
  return <h3 className={classes["title"]}>{children}</h3>;
}

export function RequestExpiry(props: {
  readonly text: string;
  readonly urgent?: boolean;
  readonly testId?: string;
}) {
  return (
    <span className={classes["expiry"]} data-urgent={props.urgent} data-testid={props.testId}>
      {props.text}
    </span>
  );
}

export function RequestButtons({ children }: { readonly children: ReactNode }) {
  return <div className={classes["buttons"]}>{children}</div>;
}

interface EndProps {
  readonly testId: string;
  /** What became of it, for tests and colours; null: it lapsed. */
  readonly end: { readonly name: string; readonly tone: "good" | "bad" | "quiet" } | null;
  readonly children: ReactNode;
  readonly aside?: ReactNode;
}

export function RequestEnd({ testId, end, children, aside }: EndProps) {
  const Icon = end?.tone === "good" ? IconCheck : IconX;
  return (
    <div
      className={classes["end"]}
      data-outcome={end?.name ?? "lapsed"}
      data-tone={end?.tone ?? "quiet"}
      data-testid={testId}
    >
      <Icon size={16} aria-hidden="true" />
      <span>{end === null ? "Nothing waits for this answer any more." : children}</span>
      {aside}
    </div>
  );
}
