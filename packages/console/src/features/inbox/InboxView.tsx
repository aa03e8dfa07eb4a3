/** What automations have to tell: results, failures, and what needs somebody. Each is read, done, put off, or run again. */
import type { InboxItem, InboxView as View } from "@concert/sdk";
import { Button, Menu, SegmentedControl } from "@mantine/core";
import { IconInbox } from "@tabler/icons-react";
import { useState } from "react";
import { formatAge, formatMoment } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { Empty } from "../../ui/Empty.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import { MoreView } from "../../ui/MoreView.tsx";
import page from "../../ui/page.module.css";
import { Words } from "../../ui/Words.tsx";
import { actionsFor, laterTimes, markOf, type Triage, VIEWS } from "./inbox.ts";
import { useInbox } from "./use-inbox.ts";

interface Props {
  readonly mayRetry: boolean;
  readonly onOpenSession: (sessionId: string) => void;
}

const EMPTY: Readonly<Record<string, readonly [string, string]>> = {
  open: [
    "Nothing waits for you",
    "When an automation has run, its result arrives here; when one fails or needs a decision, that does too.",
  ],
  snoozed: [
    "Nothing is put off",
    "What you put off comes back here by itself when its time comes.",
  ],
  done: ["Nothing is done yet", "What you are done with is kept here, and can be opened again."],
};

export function InboxView({ mayRetry, onOpenSession }: Props) {
  const [view, setView] = useState<View>("open");
  const { inbox, action, act } = useInbox(view);
  const nowMs = useNow(30_000);
  return (
    <div className={page["page"]} data-testid="inbox">
      <div className={page["bar"]}>
        <SegmentedControl
          data={[...VIEWS]}
          value={view}
          aria-label="Which items"
          onChange={(value) => setView(VIEWS.find((one) => one.value === value)?.value ?? "open")}
        />
      </div>
      <LoadedView what="inbox" loaded={inbox}>
        {(pages) =>
          pages.every(({ items }) => items.length === 0) ? (
            <Empty icon={<IconInbox size={32} />} title={EMPTY[view]?.[0] ?? "Nothing here"}>
              {EMPTY[view]?.[1]}
            </Empty>
          ) : (
            <>
              <ul className={page["list"]}>
                {pages
                  .flatMap(({ items }) => items)
                  .map((item) => (
                    <Item
                      key={item.itemId}
                      item={item}
                      nowMs={nowMs}
                      mayRetry={mayRetry}
                      pending={action.pending}
                      failure={action.failure}
                      onAct={(what, untilMs) => void act(item, what, untilMs)}
                      onOpenSession={onOpenSession}
                    />
                  ))}
              </ul>
              <MoreView label="Show older items" pages={inbox} />
            </>
          )
        }
      </LoadedView>
    </div>
  );
}

const LABELS: Readonly<Record<Triage, string>> = {
  read: "Mark as read",
  unread: "Mark as unread",
  done: "Done",
  reopen: "Open again",
  snooze: "Later",
  retry: "Run again",
};

interface ItemProps extends Props {
  readonly item: InboxItem;
  readonly nowMs: number;
  readonly pending: string | null;
  readonly failure: { readonly what: string; readonly reason: string } | null;
  readonly onAct: (what: Triage, untilMs?: number) => void;
}

function Item({ item, nowMs, mayRetry, pending, failure, onAct, onOpenSession }: ItemProps) {
  const { sessionId, snoozedUntil } = item;
  const mark = markOf(item);
  return (
    <li
      className={page["card"]}
      data-testid="inbox-item"
      data-unread={item.state === "unread"}
      data-kind={item.kind}
    >
      <h3 className={page["title"]}>
        <span>{item.title}</span>
        <span className={page["tag"]} data-tone={mark.tone}>
          {mark.label}
        </span>
        <span className={page["aside"]}>{formatAge(item.createdAt, nowMs)}</span>
      </h3>
      <Words text={item.summary} />
      {snoozedUntil !== null && snoozedUntil > nowMs ? (
        <p className={page["meta"]}>Comes back {formatMoment(snoozedUntil)}</p>
      ) : null}
      <div className={page["actions"]}>
        {sessionId === null ? null : (
          <Button size="compact-sm" variant="light" onClick={() => onOpenSession(sessionId)}>
            Open session
          </Button>
        )}
        {actionsFor(item, { mayRetry, nowMs }).map((what) =>
          what === "snooze" ? (
            <Snooze key={what} nowMs={nowMs} onSnooze={(untilMs) => onAct("snooze", untilMs)} />
          ) : (
            <Button
              key={what}
              size="compact-sm"
              variant="default"
              data-action={what}
              loading={pending === `${what} ${item.itemId}`}
              onClick={() => onAct(what)}
            >
              {LABELS[what]}
            </Button>
          ),
        )}
      </div>
      {failure?.what.endsWith(` ${item.itemId}`) === true ? (
        <Failure reason={failure.reason} />
      ) : null}
    </li>
  );
}

function Snooze(props: { readonly nowMs: number; readonly onSnooze: (untilMs: number) => void }) {
  return (
    <Menu withinPortal>
      <Menu.Target>
        <Button size="compact-sm" variant="default" data-action="snooze">
          {LABELS.snooze}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {laterTimes(props.nowMs).map(({ label, untilMs }) => (
          <Menu.Item key={label} onClick={() => props.onSnooze(untilMs)}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
