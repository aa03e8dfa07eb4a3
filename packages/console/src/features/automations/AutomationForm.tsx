/** A new automation: what is said, how often, where. What is wrong is shown at the field it is about. */
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Failure } from "../../ui/Failure.tsx";
import page from "../../ui/page.module.css";
import { type Draft, definitionOf, emptyDraft, type Rhythm } from "./automations.ts";
import { useCreation } from "./use-automations.ts";

export interface SessionChoice {
  readonly sessionId: string;
  readonly name: string;
}

interface Props {
  readonly sessions: readonly SessionChoice[];
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

const RHYTHMS: readonly { readonly value: Rhythm; readonly label: string }[] = [
  { value: "daily", label: "Every day" },
  { value: "weekdays", label: "Monday to Friday" },
  { value: "weekly", label: "Once a week" },
  { value: "interval", label: "Every so many minutes" },
  { value: "cron", label: "Cron expression" },
];
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const INBOX = [
  { value: "always", label: "Each result and each problem" },
  { value: "problems", label: "Only problems" },
  { value: "never", label: "Nothing" },
];

type Set = (change: Partial<Draft>) => void;
type Problems = Readonly<Record<string, string>>;

export function AutomationForm({ sessions, onDone, onCancel }: Props) {
  const [draft, setDraft] = useState(() =>
    emptyDraft(Intl.DateTimeFormat().resolvedOptions().timeZone),
  );
  const { action, create } = useCreation(onDone);
  const set: Set = (change) => setDraft((before) => ({ ...before, ...change }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void create(definitionOf(draft));
  };
  const { problems } = action;
  const elsewhere = Object.entries(problems).filter(([path]) => !SHOWN.test(path));
  const reason =
    Object.keys(problems).length === 0
      ? (action.failure?.reason ?? "")
      : elsewhere.map(([path, problem]) => `${path} ${problem}`).join("; ");
  return (
    <form className={page["form"]} onSubmit={submit} data-testid="automation-form" noValidate>
      <h3>New automation</h3>
      <TextInput
        label="Name"
        withAsterisk
        autoFocus
        maxLength={200}
        value={draft.name}
        error={problems["name"]}
        onChange={(event) => set({ name: event.currentTarget.value })}
      />
      <Textarea
        label="What the agent is told"
        description="{{last_result}} stands for what the run before said."
        withAsterisk
        autosize
        minRows={3}
        value={draft.prompt}
        error={problems["prompt"]}
        onChange={(event) => set({ prompt: event.currentTarget.value })}
      />
      <ScheduleFields draft={draft} set={set} problems={problems} />
      <div className={page["fields"]}>
        <NativeSelect
          label="Where it runs"
          value={draft.sessionId}
          error={problems["execution.sessionId"] ?? problems["execution.agentType"]}
          data={[
            { value: "", label: "Each run in a session of its own" },
            ...sessions.map(({ sessionId, name }) => ({ value: sessionId, label: `In “${name}”` })),
          ]}
          onChange={(event) => set({ sessionId: event.currentTarget.value })}
        />
        <NativeSelect
          label="What comes to your inbox"
          value={draft.inbox}
          data={INBOX}
          onChange={(event) => set({ inbox: event.currentTarget.value as Draft["inbox"] })}
        />
      </div>
      {reason === "" ? null : <Failure reason={reason} />}
      <div className={page["actions"]}>
        <Button type="submit" loading={action.pending !== null} data-testid="create-automation">
          Create
        </Button>
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** Problems with a field of its own; the others are told below. */
const SHOWN = /^(name|prompt|schedule\..*|execution\.(sessionId|agentType))$/;

function ScheduleFields(props: {
  readonly draft: Draft;
  readonly set: Set;
  readonly problems: Problems;
}) {
  const { draft, set, problems } = props;
  const { rhythm } = draft;
  const atTime = rhythm !== "interval" && rhythm !== "cron";
  const cronProblem = problems["schedule.cron"];
  return (
    <div className={page["fields"]}>
      <NativeSelect
        label="How often"
        value={rhythm}
        data={[...RHYTHMS]}
        onChange={(event) => set({ rhythm: event.currentTarget.value as Rhythm })}
      />
      {rhythm === "weekly" ? (
        <NativeSelect
          label="On"
          value={draft.weekday}
          data={WEEKDAYS.map((label, index) => ({ value: String(index), label }))}
          onChange={(event) => set({ weekday: event.currentTarget.value })}
        />
      ) : null}
      {atTime ? (
        <TextInput
          label="At"
          type="time"
          value={draft.time}
          error={cronProblem === undefined ? undefined : "This needs a time, such as 09:00."}
          onChange={(event) => set({ time: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "interval" ? (
        <TextInput
          label="Minutes"
          inputMode="numeric"
          value={draft.everyMinutes}
          error={problems["schedule.everyMinutes"]}
          onChange={(event) => set({ everyMinutes: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "cron" ? (
        <TextInput
          label="Minute, hour, day, month, weekday"
          value={draft.cron}
          error={cronProblem}
          onChange={(event) => set({ cron: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "interval" ? null : (
        <TextInput
          label="Time zone"
          value={draft.timeZone}
          error={problems["schedule.timeZone"]}
          onChange={(event) => set({ timeZone: event.currentTarget.value })}
        />
      )}
    </div>
  );
}
