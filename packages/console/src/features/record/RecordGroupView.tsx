/** One command of a record: what came of it in a few lines, every entry on demand. */
import { UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { humanize } from "../../lib/format.ts";
import { EntryIcon } from "./EntryIcon.tsx";
import { RecordEntryView } from "./RecordEntryView.tsx";
import classes from "./record.module.css";
import type { RecordGroup } from "./record-story.ts";

interface Props {
  readonly group: RecordGroup;
}

export function RecordGroupView({ group }: Props) {
  const [open, setOpen] = useState(false);
  const { title, status, story, entries } = group;
  return (
    <section className={classes["group"]} aria-label={title} data-testid="record-group">
      <header className={classes["groupHead"]}>
        <h3>{title}</h3>
        <span data-status={status}>{humanize(status)}</span>
      </header>
      {open ? null : (
        <ul className={classes["story"]}>
          {story.map((line) => (
            <li key={line.key} data-tone={line.tone} data-testid="record-story">
              <EntryIcon kind={line.kind} />
              <span>{line.text}</span>
            </li>
          ))}
        </ul>
      )}
      <UnstyledButton
        className={classes["more"]}
        aria-expanded={open}
        data-testid="record-more"
        onClick={() => setOpen(!open)}
      >
        <IconChevronRight size={13} className={classes["chevron"]} aria-hidden="true" />
        {open ? "Short form" : `All ${entries.length} entries`}
      </UnstyledButton>
      {open ? (
        <ol className={classes["entries"]}>
          {entries.map((entry) => (
            <RecordEntryView key={entry.key} entry={entry} />
          ))}
        </ol>
      ) : null}
    </section>
  );
}
