/** What the agents do by themselves: each automation, when it is due, what became of its runs, and a form for a new one. */
import type { Automation } from "@concert/sdk";
import { Button } from "@mantine/core";
import { IconClockPlay, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useNow } from "../../lib/use-now.ts";
import { Empty } from "../../ui/Empty.tsx";
import { Failure } from "../../ui/Failure.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import page from "../../ui/page.module.css";
import { AutomationForm } from "./AutomationForm.tsx";
import { mayChange, nextText, scheduleText } from "./automations.ts";
import type { SessionChoice } from "./form-part.ts";
import { RunsView } from "./RunsView.tsx";
import { type Control, useAutomations } from "./use-automations.ts";

interface Props {
  readonly me: string | undefined;
  readonly rights: { readonly write: boolean; readonly manage: boolean };
  readonly sessions: readonly SessionChoice[];
  readonly onOpenSession: (sessionId: string) => void;
}

const AGE_INTERVAL_MS = 10_000;

export function AutomationsView({ me, rights, sessions, onOpenSession }: Props) {
  const { list, action, control } = useAutomations();
  const [creating, setCreating] = useState(false);
  const nowMs = useNow(AGE_INTERVAL_MS);
  const close = () => {
    setCreating(false);
    list.reload();
  };
  return (
    <div className={page["page"]} data-testid="automations">
      <div className={page["bar"]}>
        <p className={page["lead"]}>
          An automation tells an agent the same thing again and again. Each run is a turn with its
          own record, under the same rules as if you had asked.
        </p>
        {rights.write && !creating ? (
          <Button
            leftSection={<IconPlus size={16} />}
            data-testid="new-automation"
            onClick={() => setCreating(true)}
          >
            New automation
          </Button>
        ) : null}
      </div>
      {creating ? (
        <AutomationForm
          automation={null}
          me={me}
          sessions={sessions}
          onDone={close}
          onCancel={() => setCreating(false)}
        />
      ) : null}
      <LoadedView what="automations" loaded={list}>
        {(automations) =>
          automations.length === 0 && !creating ? (
            <Empty icon={<IconClockPlay size={32} />} title="Nothing runs by itself yet">
              {rights.write
                ? "Make one to have a question asked every morning, or a list checked every hour. What comes of it arrives in your inbox."
                : "Somebody who may write automations can make one; its runs are shown here."}
            </Empty>
          ) : (
            <ul className={page["list"]}>
              {automations.map((one) => (
                <Card
                  key={one.automationId}
                  automation={one}
                  nowMs={nowMs}
                  changeable={mayChange(one, me, rights)}
                  me={me}
                  sessions={sessions}
                  onSaved={list.reload}
                  pending={action.pending}
                  failure={action.failure}
                  onControl={(what) => void control(one, what)}
                  onOpenSession={onOpenSession}
                />
              ))}
            </ul>
          )
        }
      </LoadedView>
    </div>
  );
}

interface CardProps {
  readonly automation: Automation;
  readonly nowMs: number;
  readonly changeable: boolean;
  readonly me: string | undefined;
  readonly sessions: readonly SessionChoice[];
  readonly onSaved: () => void;
  readonly pending: string | null;
  readonly failure: { readonly what: string; readonly reason: string } | null;
  readonly onControl: (what: Control) => void;
  readonly onOpenSession: (sessionId: string) => void;
}

function Card(props: CardProps) {
  const { automation, nowMs, changeable, failure, onOpenSession } = props;
  const { automationId, definition, ownerId } = automation;
  const [showsRuns, setShowsRuns] = useState(false);
  // As it was when the reader began: a newer version must not slip under what was typed.
  const [edited, setEdited] = useState<Automation | null>(null);
  if (edited !== null) {
    return (
      <li data-testid="automation" data-automation-id={automationId}>
        <AutomationForm
          automation={edited}
          me={props.me}
          sessions={props.sessions}
          onDone={() => {
            setEdited(null);
            props.onSaved();
          }}
          onCancel={() => setEdited(null)}
        />
      </li>
    );
  }
  return (
    <li className={page["card"]} data-testid="automation" data-automation-id={automationId}>
      <h3 className={page["title"]}>
        <span>{definition.name}</span>
        {automation.paused === null ? null : (
          <span className={page["tag"]} data-tone="waiting">
            Paused
          </span>
        )}
        <span className={page["aside"]}>{nextText(automation, nowMs)}</span>
      </h3>
      <p className={page["text"]}>{definition.prompt}</p>
      <p className={page["meta"]}>
        {scheduleText(definition.schedule)} · for {ownerId}
        {definition.execution.mode === "main" ? " · in one session" : " · each run on its own"}
      </p>
      <div className={page["actions"]}>
        {changeable ? <Controls {...props} onEdit={() => setEdited(automation)} /> : null}
        <Button
          size="compact-sm"
          variant="subtle"
          aria-expanded={showsRuns}
          data-testid="show-runs"
          onClick={() => setShowsRuns(!showsRuns)}
        >
          {showsRuns ? "Hide runs" : "Runs"}
        </Button>
      </div>
      {failure?.what.endsWith(` ${automationId}`) === true ? (
        <Failure reason={failure.reason} />
      ) : null}
      {showsRuns ? <RunsView automationId={automationId} onOpenSession={onOpenSession} /> : null}
    </li>
  );
}

function Controls(props: CardProps & { readonly onEdit: () => void }) {
  const { automation, pending, onControl, onEdit } = props;
  const [deleting, setDeleting] = useState(false);
  const button = (what: Control, label: string, variant = "default") => (
    <Button
      size="compact-sm"
      variant={variant}
      data-action={what}
      loading={pending === `${what} ${automation.automationId}`}
      onClick={() => onControl(what)}
    >
      {label}
    </Button>
  );
  if (deleting) {
    return (
      <>
        <span className={page["meta"]}>Delete it, with its schedule?</span>
        {button("delete", "Delete for good", "filled")}
        <Button size="compact-sm" variant="default" onClick={() => setDeleting(false)}>
          Keep it
        </Button>
      </>
    );
  }
  return (
    <>
      {button("run", "Run now", "light")}
      {automation.paused === null ? button("pause", "Pause") : button("resume", "Resume")}
      <Button size="compact-sm" variant="default" data-action="edit" onClick={onEdit}>
        Change…
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => setDeleting(true)}>
        Delete…
      </Button>
    </>
  );
}
