/** What may be spent in 24 hours: by the workspace, by each person, by single people; and how much of it is used. */
import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import page from "../../ui/page.module.css";
import { formatCredits, type LimitRow, limitRows, readCredits } from "./credits.ts";
import { useLimits } from "./use-credits.ts";

interface Props {
  readonly mayChange: boolean;
}

export function LimitsView({ mayChange }: Props) {
  const { limits, action, set } = useLimits();
  return (
    <>
      <h3 className={page["section"]}>Limits for a day</h3>
      <LoadedView what="limits" loaded={limits}>
        {(spending) => (
          <>
            <p className={page["lead"]}>
              In the last 24 hours the workspace spent {formatCredits(spending.spent.tenant)}, you
              spent {formatCredits(spending.spent.user)}. A turn beyond a limit is refused.
            </p>
            <ul className={page["list"]}>
              {limitRows(spending).map((row) => (
                <Row
                  key={`${row.of} ${row.userId}`}
                  row={row}
                  mayChange={mayChange}
                  pending={action.pending === `${row.of} ${row.userId}`}
                  onSet={(microcredits) => set(row, microcredits)}
                />
              ))}
            </ul>
            {mayChange ? <NewLimit onSet={set} /> : null}
            {action.failure === null ? null : <Failure reason={action.failure.reason} />}
          </>
        )}
      </LoadedView>
    </>
  );
}

interface RowProps extends Props {
  readonly row: LimitRow;
  readonly pending: boolean;
  readonly onSet: (microcredits: number | null) => Promise<boolean>;
}

function Row({ row, mayChange, pending, onSet }: RowProps) {
  const [editing, setEditing] = useState(false);
  const { label, microcredits } = row;
  return (
    <li className={page["card"]} data-testid="limit" data-of={row.of}>
      <p className={page["title"]}>
        <span>{label}</span>
        <span className={page["aside"]}>
          {microcredits === null ? "no limit" : `${formatCredits(microcredits)} a day`}
        </span>
      </p>
      {mayChange && editing ? (
        <AmountForm
          label={`Credits a day for: ${label}`}
          pending={pending}
          onAmount={async (amount) => {
            if (await onSet(amount)) setEditing(false);
          }}
          onCancel={() => setEditing(false)}
        />
      ) : null}
      {mayChange && !editing ? (
        <div className={page["actions"]}>
          <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
            {microcredits === null ? "Set a limit" : "Change"}
          </Button>
          {microcredits === null ? null : (
            <Button
              size="compact-sm"
              variant="default"
              loading={pending}
              onClick={() => void onSet(null)}
            >
              Lift
            </Button>
          )}
        </div>
      ) : null}
    </li>
  );
}

function AmountForm(props: {
  readonly label: string;
  readonly pending: boolean;
  readonly onAmount: (microcredits: number) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readCredits(text, { zero: true });
    setProblem("problem" in read ? read.problem : null);
    if ("microcredits" in read) void props.onAmount(read.microcredits);
  };
  return (
    <form className={page["actions"]} onSubmit={submit}>
      <TextInput
        aria-label={props.label}
        placeholder="Credits a day"
        inputMode="decimal"
        autoFocus
        value={text}
        error={problem}
        data-testid="limit-amount"
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" loading={props.pending}>
        Set
      </Button>
      <Button variant="default" onClick={props.onCancel}>
        Cancel
      </Button>
    </form>
  );
}

function NewLimit({ onSet }: { readonly onSet: ReturnType<typeof useLimits>["set"] }) {
  const [userId, setUserId] = useState("");
  const [adding, setAdding] = useState(false);
  const who = userId.trim();
  if (!adding) {
    return (
      <div className={page["actions"]}>
        <TextInput
          aria-label="User id"
          placeholder="User id"
          value={userId}
          onChange={(event) => setUserId(event.currentTarget.value)}
        />
        <Button variant="default" disabled={who === ""} onClick={() => setAdding(true)}>
          Limit this person
        </Button>
      </div>
    );
  }
  return (
    <AmountForm
      label={`Credits a day for: ${who}`}
      pending={false}
      onAmount={async (amount) => {
        if (!(await onSet({ of: "user", userId: who }, amount))) return;
        setUserId("");
        setAdding(false);
      }}
      onCancel={() => setAdding(false)}
    />
  );
}
