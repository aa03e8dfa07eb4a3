/** What the workspace's work costs: the balance, what became of it entry by entry, and a way to add credits. */
import { Button, TextInput } from "@mantine/core";
import { IconCoins } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { formatMoment } from "../../lib/format.ts";
import { Empty } from "../../ui/Empty.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import { MoreView } from "../../ui/MoreView.tsx";
import page from "../../ui/page.module.css";
import {
  type Account,
  entryText,
  formatChange,
  formatCredits,
  type LedgerEntry,
  readCredits,
} from "./credits.ts";
import { LimitsView } from "./LimitsView.tsx";
import { useAccount } from "./use-credits.ts";

interface Props {
  readonly mayChange: boolean;
  readonly onOpenSession: (sessionId: string) => void;
}

export function CreditsView({ mayChange, onOpenSession }: Props) {
  const { account, action, topUp } = useAccount();
  return (
    <div className={page["page"]} data-testid="credits">
      <LoadedView what="credits" loaded={account}>
        {(pages) => (
          <>
            {pages[0] === undefined ? null : <Balance balance={pages[0].balance} />}
            {mayChange ? (
              <TopUp
                pending={action.pending !== null}
                failure={action.failure?.reason ?? null}
                onTopUp={topUp}
              />
            ) : null}
            <LimitsView mayChange={mayChange} />
            <h3 className={page["section"]}>Ledger</h3>
            {pages.every(({ entries }) => entries.length === 0) ? (
              <Empty icon={<IconCoins size={32} />} title="No entries yet">
                Each turn puts credits aside when it begins and pays for what was used when it ends.
                Both are entries here.
              </Empty>
            ) : (
              <Ledger
                entries={pages.flatMap(({ entries }) => entries)}
                onOpenSession={onOpenSession}
              />
            )}
            <MoreView label="Show older entries" pages={account} />
          </>
        )}
      </LoadedView>
    </div>
  );
}

function Balance({ balance }: Pick<Account, "balance">) {
  const figures = [
    ["Available", balance.available],
    ["Put aside for running turns", balance.reserved],
    ["Spent", balance.spent],
  ] as const;
  return (
    <dl className={page["figures"]}>
      {figures.map(([label, microcredits]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{formatCredits(microcredits)}</dd>
        </div>
      ))}
    </dl>
  );
}

function TopUp(props: {
  readonly pending: boolean;
  readonly failure: string | null;
  readonly onTopUp: (microcredits: number) => Promise<boolean>;
}) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const read = readCredits(text);
    setProblem("problem" in read ? read.problem : null);
    if ("microcredits" in read && (await props.onTopUp(read.microcredits))) setText("");
  };
  return (
    <form className={page["form"]} onSubmit={(event) => void submit(event)}>
      <div className={page["actions"]}>
        <TextInput
          aria-label="Credits to add"
          placeholder="Credits to add"
          inputMode="decimal"
          value={text}
          error={problem}
          data-testid="top-up-amount"
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button type="submit" loading={props.pending} data-testid="top-up">
          Top up
        </Button>
      </div>
      {props.failure === null ? null : <Failure reason={props.failure} />}
    </form>
  );
}

function Ledger(props: {
  readonly entries: readonly LedgerEntry[];
  readonly onOpenSession: (sessionId: string) => void;
}) {
  return (
    <div className={page["scrollX"]}>
      <table className={page["table"]} data-testid="ledger">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col" className={page["number"]}>
              Change of what is available
            </th>
            <th scope="col">
              <span hidden>Session</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.entries.map(({ at, kind, microcredits, sessionId, turnId }) => (
            <tr key={`${at} ${kind} ${turnId}`}>
              <td>{formatMoment(at)}</td>
              <td>{entryText(kind)}</td>
              <td className={page["number"]}>{formatChange(microcredits)}</td>
              <td>
                {sessionId === null ? null : (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    onClick={() => props.onOpenSession(sessionId)}
                  >
                    Open session
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
