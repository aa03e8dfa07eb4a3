/** The record of a turn: who asked, what was decided and why, what was done, in the order it was committed. */
import { NativeSelect, Skeleton } from "@mantine/core";
import { memo, useMemo } from "react";
import { humanize } from "../../lib/format.ts";
import { useBottomFollow } from "../../lib/use-bottom-follow.ts";
import { CopyId } from "../../ui/CopyId.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { RecordGroupView } from "./RecordGroupView.tsx";
import classes from "./record.module.css";
import type { CommandRecord } from "./record.ts";
import { groupsOf } from "./record-story.ts";
import type { RecordState } from "./use-record.ts";

export interface TurnChoice {
  readonly turnId: string;
  readonly label: string;
}

interface Props {
  readonly state: RecordState;
  readonly turns: readonly TurnChoice[];
  readonly selectedTurnId: string | null;
  readonly onSelectTurn: (turnId: string) => void;
  /** The turn is running: the newest entry is what matters. */
  readonly live: boolean;
}

export const RecordView = memo(function RecordView(props: Props) {
  const { state, turns, selectedTurnId, onSelectTurn, live } = props;
  const { frameRef, contentRef, onScroll, onClickCapture } = useBottomFollow<
    HTMLElement,
    HTMLDivElement
  >(live);
  return (
    <section
      className={classes["panel"]}
      ref={frameRef}
      onScroll={onScroll}
      onClickCapture={onClickCapture}
      aria-label="Record"
      data-testid="record-panel"
    >
      <div className={classes["content"]} ref={contentRef}>
        {turns.length > 1 ? (
          <NativeSelect
            size="xs"
            aria-label="Turn"
            value={selectedTurnId ?? ""}
            data={turns.map(({ turnId, label }) => ({ value: turnId, label }))}
            onChange={(event) => onSelectTurn(event.currentTarget.value)}
          />
        ) : null}
        <Body state={state} />
      </div>
    </section>
  );
});

function Body({ state }: Pick<Props, "state">) {
  switch (state.status) {
    case "empty":
      return (
        <div className={classes["empty"]}>
          <strong>Every step leaves a trace here</strong>
          <p>
            Who asked, which policy decided and why, who approved, what was called, what came of it.
          </p>
        </div>
      );
    case "loading":
      return (
        <div className={classes["loading"]} role="status" aria-label="Loading the record">
          {["74%", "58%", "66%", "49%"].map((width) => (
            <Skeleton key={width} height={12} width={width} />
          ))}
        </div>
      );
    case "failed":
      return <Failure title="No record" reason={state.reason} onRetry={state.retry} />;
    case "ready":
      return (
        <>
          {state.stale === null ? null : (
            <p className={classes["stale"]} role="status">
              Newer entries may be missing. {state.stale}
            </p>
          )}
          <Groups record={state.record} />
        </>
      );
  }
}

function Groups({ record }: { readonly record: CommandRecord }) {
  const groups = useMemo(() => groupsOf(record), [record]);
  return (
    <>
      <dl className={classes["summary"]}>
        <div>
          <dt>Asked by</dt>
          <dd>{record.requestedBy ?? "unknown"}</dd>
        </div>
        <div>
          <dt>State</dt>
          <dd>{humanize(record.status)}</dd>
        </div>
        <div>
          <dt>Command</dt>
          <dd>
            <CopyId id={record.commandId} what="command id" />
          </dd>
        </div>
        {record.traceId === null ? null : (
          <div>
            <dt>Trace</dt>
            <dd>
              <CopyId id={record.traceId} what="trace id" />
            </dd>
          </div>
        )}
      </dl>
      {groups.map((group) => (
        <RecordGroupView key={group.commandId} group={group} />
      ))}
    </>
  );
}
