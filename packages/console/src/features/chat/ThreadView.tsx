/** The conversation. Draws rows; only the row that changes is drawn again. */
import type { ApprovalItem, QuestionItem, ThreadItem, TurnView } from "@concert/sdk";
import { Button } from "@mantine/core";
import { IconArrowDown } from "@tabler/icons-react";
import { memo, type ReactNode } from "react";
import { useBottomFollow } from "../../lib/use-bottom-follow.ts";
import classes from "./chat.module.css";
import { rowChunks, sameRows, type ThreadRow } from "./chat.ts";
import {
  AssistantMessage,
  OutboxRow,
  ThinkingNote,
  TurnEnd,
  UserMessage,
} from "./MessageViews.tsx";
import { ToolCallView } from "./ToolCallView.tsx";
import { TurnFooter } from "./TurnFooter.tsx";

interface Props {
  readonly rows: readonly ThreadRow[];
  readonly onResend: (text: string, idempotencyKey: string) => void;
  readonly onDiscard: (idempotencyKey: string) => void;
  readonly onShowRecord: (turnId: string) => void;
  /** Approvals and questions are features of their own; the page that knows them puts them together. */
  readonly renderRequest: (item: ApprovalItem | QuestionItem) => ReactNode;
}

export function ThreadView(props: Props) {
  const chunks = rowChunks(props.rows);
  const { frameRef, contentRef, onScroll, onClickCapture, away, toEnd } = useBottomFollow<
    HTMLElement,
    HTMLDivElement
  >();
  return (
    <div className={classes["threadFrame"]}>
      <section
        className={classes["thread"]}
        ref={frameRef}
        onScroll={onScroll}
        onClickCapture={onClickCapture}
        aria-label="Conversation"
        data-testid="thread"
      >
        <div className={classes["rows"]} ref={contentRef}>
          {chunks.map((chunk, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a row never leaves its group.
            <Chunk key={index} {...props} rows={chunk} />
          ))}
        </div>
      </section>
      {away ? (
        <Button
          className={classes["toEnd"]}
          size="compact-sm"
          radius="xl"
          variant="default"
          leftSection={<IconArrowDown size={14} />}
          onClick={toEnd}
        >
          Latest
        </Button>
      ) : null}
    </div>
  );
}

const Chunk = memo(function Chunk(props: Props) {
  return (
    <ol className={classes["chunk"]}>
      {props.rows.map((row) => (
        <li key={row.key} className={classes["row"]}>
          <Row {...props} row={row} />
        </li>
      ))}
    </ol>
  );
}, sameChunk);

function sameChunk(left: Props, right: Props): boolean {
  return (
    left.onResend === right.onResend &&
    left.onDiscard === right.onDiscard &&
    left.onShowRecord === right.onShowRecord &&
    left.renderRequest === right.renderRequest &&
    sameRows(left.rows, right.rows)
  );
}

function Row({ row, ...props }: Props & { readonly row: ThreadRow }) {
  switch (row.kind) {
    case "item":
      return <Item item={row.item} renderRequest={props.renderRequest} />;
    case "turn_footer":
      return <Footer turn={row.turn} onShowRecord={props.onShowRecord} />;
    case "outbox":
      return (
        <OutboxRow message={row.message} onResend={props.onResend} onDiscard={props.onDiscard} />
      );
    case "working":
      return (
        <p className={classes["working"]} role="status">
          <span className={classes["pulse"]} aria-hidden="true" />
          {row.label}
        </p>
      );
  }
}

const Item = memo(function Item({
  item,
  renderRequest,
}: {
  readonly item: ThreadItem;
  readonly renderRequest: Props["renderRequest"];
}) {
  switch (item.kind) {
    case "user":
      return <UserMessage text={item.text} />;
    case "assistant":
      return <AssistantMessage item={item} />;
    case "thinking":
      return <ThinkingNote item={item} />;
    case "tool":
      return <ToolCallView item={item} />;
    case "approval":
    case "question":
      return renderRequest(item);
    case "turn_end":
      return <TurnEnd item={item} />;
  }
});

const Footer = memo(function Footer(props: {
  readonly turn: TurnView;
  readonly onShowRecord: (turnId: string) => void;
}) {
  return <TurnFooter {...props} />;
});
