/** What went wrong outside and needs a person: try the undoing again, leave it, or say that it is settled. */
import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useState } from "react";
import { formatAge } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { CopyId } from "../../ui/CopyId.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import page from "../../ui/page.module.css";
import {
  type Incident,
  kindText,
  needsNote,
  SETTLEMENTS,
  type Settlement,
  settlementsFor,
} from "./incidents.ts";
import { useIncidents } from "./use-incidents.ts";

interface Props {
  readonly maySettle: boolean;
}

const VIEWS = [
  { value: "open", label: "Open" },
  { value: "closed", label: "Closed" },
];

export function IncidentsView({ maySettle }: Props) {
  const [status, setStatus] = useState<"open" | "closed">("open");
  const { list, action, settle } = useIncidents(status);
  const nowMs = useNow(30_000);
  return (
    <div className={page["page"]} data-testid="incidents">
      <div className={page["bar"]}>
        <SegmentedControl
          data={VIEWS}
          value={status}
          aria-label="Which incidents"
          onChange={(value) => setStatus(value === "closed" ? "closed" : "open")}
        />
        {maySettle ? null : <p className={page["lead"]}>Owners and operators settle incidents.</p>}
      </div>
      <LoadedView what="incidents" loaded={list}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty
              icon={<IconShieldCheck size={32} />}
              title={status === "open" ? "Nothing went wrong" : "Nothing was settled yet"}
            >
              When something that happened outside cannot be undone, or nobody knows whether it
              happened, it stays here until a person settles it. How it was settled is on record.
            </Empty>
          ) : (
            <ul className={page["list"]}>
              {items.map((one) => (
                <Card
                  key={one.id}
                  incident={one}
                  age={formatAge(one.createdAtMs, nowMs)}
                  maySettle={maySettle}
                  pending={action.pending}
                  failure={action.failure}
                  onSettle={(what, note) => void settle(one, what, note)}
                />
              ))}
            </ul>
          )
        }
      </LoadedView>
    </div>
  );
}

interface CardProps extends Props {
  readonly incident: Incident;
  readonly age: string;
  readonly pending: string | null;
  readonly failure: { readonly what: string; readonly reason: string } | null;
  readonly onSettle: (what: Settlement, note: string) => void;
}

function Card(props: CardProps) {
  const { incident, age, maySettle, failure } = props;
  const { id, kind, isOpen, message, commandId, closedBy, action, note } = incident;
  const past = SETTLEMENTS[action as Settlement]?.past ?? "Closed";
  return (
    <li className={page["card"]} data-testid="incident" data-incident-id={id}>
      <h3 className={page["title"]}>
        <span>{kindText(kind)}</span>
        <span className={page["tag"]} data-tone={isOpen ? "bad" : "good"}>
          {isOpen ? "Open" : past}
        </span>
        <span className={page["aside"]}>{age}</span>
      </h3>
      <p className={page["text"]}>{message}</p>
      <p className={page["meta"]}>
        Command <CopyId what="command id" id={commandId} />
        {closedBy === null ? "" : ` · by ${closedBy}`}
        {note === null ? "" : ` · “${note}”`}
      </p>
      {isOpen && maySettle ? <Choice {...props} /> : null}
      {failure?.what.endsWith(` ${id}`) === true ? <Failure reason={failure.reason} /> : null}
    </li>
  );
}

function Choice({ incident, pending, onSettle }: CardProps) {
  const [chosen, setChosen] = useState<Settlement | null>(null);
  const [note, setNote] = useState("");
  if (chosen !== null) {
    const { label, means } = SETTLEMENTS[chosen];
    return (
      <form
        className={page["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          onSettle(chosen, note);
        }}
      >
        <Textarea
          label="Why, for the record"
          description={means}
          autosize
          autoFocus
          required
          maxLength={2_000}
          value={note}
          data-testid="incident-note"
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        <div className={page["actions"]}>
          <Button type="submit" loading={pending === `${chosen} ${incident.id}`}>
            {label}
          </Button>
          <Button variant="default" onClick={() => setChosen(null)}>
            Back
          </Button>
        </div>
      </form>
    );
  }
  return (
    <div className={page["actions"]}>
      {settlementsFor(incident).map((what) => (
        <Button
          key={what}
          size="compact-sm"
          variant={what === "retry" ? "light" : "default"}
          data-action={what}
          loading={pending === `${what} ${incident.id}`}
          onClick={() => (needsNote(what) ? setChosen(what) : onSettle(what, ""))}
        >
          {SETTLEMENTS[what].label}
        </Button>
      ))}
    </div>
  );
}
