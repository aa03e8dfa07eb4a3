/** What stands beside a conversation: the record of its turns, or the files of its agent. Narrow pages have it in a drawer. */
import type { SessionView, TurnView } from "@concert/sdk";
import { Drawer, SegmentedControl } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { useCallback, useEffect, useMemo, useState } from "react";
import { FilesView } from "../features/files/FilesView.tsx";
import { RecordView, type TurnChoice } from "../features/record/RecordView.tsx";
import { useRecord } from "../features/record/use-record.ts";
import classes from "./app.module.css";

const SHOWN = [
  { value: "record", label: "Record" },
  { value: "files", label: "Files" },
] as const;
type Shown = (typeof SHOWN)[number]["value"];

export type Panel = ReturnType<typeof useSidePanel>;

/** Which of the two is shown, and which turn's record: the newest one, unless the reader has chosen another. */
export function useSidePanel(view: SessionView) {
  const docked = useMediaQuery("(min-width: 72em)", true, { getInitialValueInEffect: false });
  const [opened, drawer] = useDisclosure(false);
  const [shown, setShown] = useState<Shown>("record");
  const [chosen, select] = useState<string | null>(null);
  const { turns } = view;
  const recorded = useMemo(() => turns.filter((turn) => turn.commandId !== null), [turns]);
  const turn = recorded.find((one) => one.turnId === chosen) ?? recorded.at(-1) ?? null;
  const state = useRecord(turn?.commandId ?? null, turn?.recordSeq ?? 0);
  // Streaming text changes no turn, so no label is worked out again for it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the labels follow the turns.
  const choices = useMemo(() => turnChoices(view, recorded), [recorded]);
  const newestId = recorded.at(-1)?.turnId;
  // A new turn is what people look at now.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the new turn is the reason to let go.
  useEffect(() => select(null), [newestId]);
  const { open } = drawer;
  const showRecord = useCallback(
    (turnId: string) => {
      select(turnId);
      setShown("record");
      open();
    },
    [open],
  );
  const record = { select, turn, choices, state };
  return { docked, opened: opened && !docked, drawer, shown, setShown, showRecord, record };
}

interface Props {
  readonly sessionId: string;
  readonly panel: Panel;
}

export function SidePanel({ sessionId, panel }: Props) {
  const { docked, opened, drawer, shown, record } = panel;
  const content =
    shown === "files" ? (
      <FilesView key={sessionId} sessionId={sessionId} />
    ) : (
      <RecordView
        state={record.state}
        turns={record.choices}
        selectedTurnId={record.turn?.turnId ?? null}
        onSelectTurn={record.select}
        live={record.turn?.status === "running"}
      />
    );
  if (docked) {
    return (
      <aside className={classes["record"]}>
        <header className={classes["recordHead"]}>
          <Choice panel={panel} />
        </header>
        {content}
      </aside>
    );
  }
  return (
    <Drawer
      opened={opened}
      onClose={drawer.close}
      position="right"
      size={400}
      title={<Choice panel={panel} />}
      closeButtonProps={{ "aria-label": "Close the panel" }}
    >
      {content}
    </Drawer>
  );
}

function Choice({ panel: { shown, setShown } }: Pick<Props, "panel">) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="Beside the conversation"
      data-testid="panel-choice"
      data={[...SHOWN]}
      value={shown}
      onChange={(value) => setShown(value === "files" ? "files" : "record")}
    />
  );
}

const LABEL_CHARS_MAX = 60;
/** Turns by what was asked in them. */
function turnChoices(view: SessionView, turns: readonly TurnView[]): readonly TurnChoice[] {
  const asked = new Map<string | null, string>();
  for (const item of view.items) if (item.kind === "user") asked.set(item.turnId, item.text);
  return turns.map(({ turnId }) => ({
    turnId,
    label: (asked.get(turnId) ?? turnId).slice(0, LABEL_CHARS_MAX),
  }));
}
