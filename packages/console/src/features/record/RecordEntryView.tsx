/** One line of the record; what the machine wrote opens on demand. */
import { UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { memo, useState } from "react";
import { formatClock } from "../../lib/format.ts";
import { CopyId } from "../../ui/CopyId.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { EntryIcon } from "./EntryIcon.tsx";
import classes from "./record.module.css";
import type { RecordEntry } from "./record.ts";

interface Props {
  readonly entry: RecordEntry;
}

export const RecordEntryView = memo(
  function RecordEntryView({ entry }: Props) {
    const [open, setOpen] = useState(false);
    return (
      <li className={classes["entry"]} data-kind={entry.kind} data-tone={entry.tone}>
        <EntryIcon kind={entry.kind} />
        <div className={classes["text"]} data-testid="record-entry" data-event={entry.eventType}>
          <UnstyledButton
            className={classes["title"]}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {entry.title}
            <IconChevronRight size={13} className={classes["chevron"]} aria-hidden="true" />
          </UnstyledButton>
          {entry.facts.map((fact) => (
            <p key={fact} className={classes["fact"]}>
              {fact}
            </p>
          ))}
          <p className={classes["meta"]}>
            <time dateTime={new Date(entry.atMs).toISOString()}>{formatClock(entry.atMs)}</time>
            {entry.actor === null ? null : <span>{entry.actor}</span>}
          </p>
          {open ? (
            <div className={classes["payload"]}>
              <Facts value={entry.payload} />
              <CopyId id={entry.commandId} what="command id" />
            </div>
          ) : null}
        </div>
      </li>
    );
  },
  // A refreshed record brings the same entries as new objects; an entry never changes under its cursor.
  (left, right) => left.entry.key === right.entry.key,
);
