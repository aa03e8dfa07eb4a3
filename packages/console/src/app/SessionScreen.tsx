/** One session: the conversation, the decisions in it, and the record and the files beside it. */
import type { ApprovalItem, QuestionItem } from "@concert/sdk";
import { ActionIcon, Tooltip } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useCallback, useEffect, useMemo } from "react";
import { ApprovalCardView } from "../features/approvals/ApprovalCardView.tsx";
import { useApproval } from "../features/approvals/use-approval.ts";
import { ComposerView } from "../features/chat/ComposerView.tsx";
import { QueueView } from "../features/chat/QueueView.tsx";
import { ThreadView } from "../features/chat/ThreadView.tsx";
import { subjectsOf } from "../features/chat/tool-summary.ts";
import { useAnnouncements } from "../features/chat/use-announcements.ts";
import { useChat } from "../features/chat/use-chat.ts";
import { useDraft } from "../features/chat/use-draft.ts";
import { SubjectsContext } from "../features/chat/use-subjects.ts";
import { WelcomeView } from "../features/chat/WelcomeView.tsx";
import { isOfAgent } from "../features/questions/open-questions.ts";
import { QuestionCardView } from "../features/questions/QuestionCardView.tsx";
import { readForm } from "../features/questions/question-form.ts";
import { useQuestion } from "../features/questions/use-question.ts";
import { sessionState } from "../features/sessions/sessions.ts";
import { useGateway, useGatewayState } from "../lib/use-gateway.ts";
import { useIdentity, usePermission } from "../lib/use-permission.ts";
import { Announcer } from "../ui/Announcer.tsx";
import { Failure } from "../ui/Failure.tsx";
import { StateDot } from "../ui/StateDot.tsx";
import classes from "./app.module.css";
import { PageHeader } from "./PageHeader.tsx";
import { SessionMenu } from "./SessionMenu.tsx";
import { type Panel, SidePanel, useSidePanel } from "./SidePanel.tsx";

interface Props {
  readonly sessionId: string;
  readonly onMenu: (() => void) | null;
  readonly onDeleted: () => void;
}

export function SessionScreen({ sessionId, onMenu, onDeleted }: Props) {
  const chat = useChat(sessionId);
  const { view } = chat;
  // Who only reads is offered no field; while nobody is connected the field stays, with what was typed.
  const offline = useIdentity() === null;
  const mayWrite = usePermission("session:write") || offline;
  const panel = useSidePanel(view);
  const announcement = useAnnouncements(view, chat.joining?.status === "ready");
  // Results are news about a turn; streaming text is not.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the subjects follow the turns.
  const subjects = useMemo(() => subjectsOf(view.items), [view.turns]);
  const renderRequest = useCallback(
    (item: ApprovalItem | QuestionItem) =>
      item.kind === "approval" ? (
        <Approval sessionId={sessionId} item={item} />
      ) : (
        <Question sessionId={sessionId} item={item} />
      ),
    [sessionId],
  );
  const showRecord = useCallback(
    (turnId: string) => {
      panel.showRecord(turnId);
    },
    [panel.showRecord],
  );
  useEscape(chat.running && !panel.opened, chat.stop);
  return (
    <div className={classes["columns"]}>
      <div className={classes["page"]}>
        <SessionHeader sessionId={sessionId} onMenu={onMenu} onDeleted={onDeleted} panel={panel} />
        {chat.joining?.status === "failed" ? (
          <div className={classes["notice"]}>
            <Failure title="Not open" reason={chat.joining.reason} onRetry={chat.reopen} />
          </div>
        ) : null}
        {chat.rows.length === 0 && chat.joining?.status === "ready" ? (
          <div className={classes["scroll"]}>
            <WelcomeView onSuggest={chat.send} />
          </div>
        ) : (
          <SubjectsContext value={subjects}>
            <ThreadView
              rows={chat.rows}
              onResend={chat.send}
              onDiscard={chat.discard}
              onShowRecord={showRecord}
              renderRequest={renderRequest}
            />
          </SubjectsContext>
        )}
        {!mayWrite || (chat.joining?.status === "failed" && chat.rows.length === 0) ? null : (
          <SessionComposer sessionId={sessionId} chat={chat} autoFocus={onMenu === null} />
        )}
      </div>
      <SidePanel sessionId={sessionId} panel={panel} />
      <Announcer text={announcement} />
    </div>
  );
}

function SessionComposer(props: {
  readonly sessionId: string;
  readonly chat: ReturnType<typeof useChat>;
  /** Where there is room for a keyboard that does not cover the conversation. */
  readonly autoFocus: boolean;
}) {
  const { sessionId, chat } = props;
  const [draft, setDraft] = useDraft(sessionId);
  const waiting = chat.view.activeTurnId === null ? null : chat.view.waitingFor;
  const maySteer = usePermission("session:steer");
  const send = (text: string) => {
    setDraft("");
    chat.send(text);
  };
  const emptied = async (said: Promise<boolean>) => {
    if (await said) setDraft("");
  };
  const meanwhile = {
    onSteer: (text: string) => void emptied(chat.steer(text)),
    onEnqueue: (text: string) => void emptied(chat.enqueue(text)),
  };
  return (
    <>
      <QueueView
        steers={chat.view.steers}
        queue={chat.view.queue}
        onDequeue={maySteer ? chat.dequeue : null}
      />
      {chat.meanwhileFailure === null ? null : (
        <div className={classes["notice"]}>
          <Failure reason={chat.meanwhileFailure} />
        </div>
      )}
      <ComposerView
        draft={draft}
        onDraft={setDraft}
        onSend={send}
        meanwhile={maySteer && chat.view.activeTurnId !== null ? meanwhile : null}
        running={chat.running}
        stopping={chat.stopping}
        onStop={chat.stop}
        placeholder={PLACEHOLDERS[waiting ?? "nothing"]}
        hint={chat.stopFailure}
        autoFocus={props.autoFocus}
      />
    </>
  );
}

const PLACEHOLDERS = {
  approval: "The agent waits for your decision above",
  question: "The agent waits for your answer above",
  both: "The agent waits for your decision and your answer above",
  nothing: "Message the agent…",
} as const;

function Question({ sessionId, item }: { sessionId: string; item: QuestionItem }) {
  const gateway = useGateway();
  const mayAnswer = usePermission("session:write");
  const { questions, answerSchema } = item;
  const form = useMemo(() => readForm({ questions, answerSchema }), [questions, answerSchema]);
  const answering = useQuestion(form, {
    answer: (input) => gateway.answerQuestion(sessionId, item.id, { input }),
    dismiss: () => gateway.answerQuestion(sessionId, item.id, { dismissed: true }),
  });
  const activeTurnId = useGatewayState((state) => state.views[sessionId]?.activeTurnId ?? null);
  const open = item.commandId !== null && (item.turnId === null || item.turnId === activeTurnId);
  return (
    <QuestionCardView
      id={item.id}
      form={form}
      expiresAt={item.expiresAt}
      open={open}
      mayAnswer={mayAnswer}
      ending={item.resolution}
      answering={answering}
      toAgent={isOfAgent(item.askedBy)}
    />
  );
}

function Approval({ sessionId, item }: { sessionId: string; item: ApprovalItem }) {
  const answering = useApproval(sessionId, item.id);
  const activeTurnId = useGatewayState((state) => state.views[sessionId]?.activeTurnId ?? null);
  const open = item.turnId === null || item.turnId === activeTurnId;
  return <ApprovalCardView item={item} open={open} answering={answering} />;
}

function SessionHeader(props: Props & { readonly panel: Panel }) {
  const { sessionId, onMenu, onDeleted, panel } = props;
  const session = useGatewayState((state) => state.sessions[sessionId]);
  const state = session === undefined ? null : sessionState(session);
  const detail =
    session === undefined || state === null ? null : (
      <p
        className={classes["headerState"]}
        data-testid="session-state"
        data-status={session.status}
      >
        <StateDot status={session.status} label={state} /> {state} · {session.agentType}
      </p>
    );
  return (
    <PageHeader title={session?.name || "Session"} detail={detail} onMenu={onMenu}>
      {panel.docked ? null : (
        <Tooltip label="Record and files" withArrow>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label="Show the record and the files"
            data-testid="open-record"
            onClick={panel.drawer.open}
          >
            <IconHistory size={20} />
          </ActionIcon>
        </Tooltip>
      )}
      {session === undefined ? null : <SessionMenu sessionId={sessionId} onDeleted={onDeleted} />}
    </PageHeader>
  );
}

/** Escape stops the turn, unless something nearer to the reader has used the key. */
function useEscape(active: boolean, stop: () => void): void {
  useEffect(() => {
    if (!active) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) stop();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [active, stop]);
}
