/** An automation, new or as it is: what is said, how often, where, and what comes of it. What is wrong is shown at its field. */
import type { Automation, Blueprint } from "@concert/sdk";
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Failure } from "../../ui/Failure.tsx";
import page from "../../ui/page.module.css";
import { type Draft, draftWith, emptyDraft, readDraft, templateOf } from "./automation-draft.ts";
import { type FormPart, type SessionChoice, sessionOptions } from "./form-part.ts";
import { MORE_PATHS, MoreFields } from "./MoreFields.tsx";
import { ScheduleFields } from "./ScheduleFields.tsx";
import { useBlueprints, useSaving } from "./use-automations.ts";

interface Props {
  /** Null: a new one. */
  readonly automation: Automation | null;
  readonly me: string | undefined;
  readonly sessions: readonly SessionChoice[];
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

const INBOX = [
  { value: "always", label: "Each result and each problem" },
  { value: "problems", label: "Only problems" },
  { value: "never", label: "Nothing" },
];

/** Problems with a field of its own; the others are told below. */
const SHOWN = /^(name|prompt|schedule\..*|execution\.(sessionId|agentType))$/;

function firstDraft(automation: Automation | null): Draft {
  const empty = emptyDraft(Intl.DateTimeFormat().resolvedOptions().timeZone);
  return automation === null ? empty : draftWith(empty, automation.definition);
}

export function AutomationForm({ automation, me, sessions, onDone, onCancel }: Props) {
  const [draft, setDraft] = useState(() => firstDraft(automation));
  const [blueprint, setBlueprint] = useState<Blueprint | null>(null);
  const [unsendable, setUnsendable] = useState<FormPart["problems"]>({});
  const { action, save } = useSaving(automation, onDone);
  const set: FormPart["set"] = (change) => setDraft((before) => ({ ...before, ...change }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readDraft(draft);
    setUnsendable("problems" in read ? read.problems : {});
    if ("definition" in read) void save(read.definition, blueprint);
  };
  const problems = { ...action.problems, ...unsendable };
  const reason = reasonOf(problems, action.failure?.reason ?? "");
  const part = { draft, set, problems };
  return (
    <form className={page["form"]} onSubmit={submit} data-testid="automation-form" noValidate>
      <h3>{automation === null ? "New automation" : `Change “${automation.definition.name}”`}</h3>
      {automation === null ? (
        <BlueprintField
          chosen={blueprint}
          onChoose={(chosen) => {
            setBlueprint(chosen);
            if (chosen !== null) setDraft((before) => draftWith(before, templateOf(chosen)));
          }}
        />
      ) : null}
      <WordFields {...part} />
      <ScheduleFields {...part} />
      <div className={page["fields"]}>
        <NativeSelect
          label="Where it runs"
          value={draft.sessionId}
          error={problems["execution.sessionId"]}
          data={sessionOptions(sessions, draft.sessionId, "Each run in a session of its own")}
          onChange={(event) => set({ sessionId: event.currentTarget.value })}
        />
        <NativeSelect
          label="What comes to the owner's inbox"
          value={draft.inbox}
          data={INBOX}
          onChange={(event) => set({ inbox: event.currentTarget.value as Draft["inbox"] })}
        />
      </div>
      <MoreFields {...part} sessions={sessions} />
      {reason === "" ? null : <Failure reason={reason} />}
      {automation === null || automation.ownerId === me ? null : (
        <p className={page["meta"]}>
          It is {automation.ownerId}'s. Who saves it is its owner from then on: it runs in your
          name, and its results come to your inbox.
        </p>
      )}
      <div className={page["actions"]}>
        <Button
          type="submit"
          loading={action.pending !== null}
          data-testid={automation === null ? "create-automation" : "save-automation"}
        >
          {automation === null ? "Create" : "Save"}
        </Button>
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** What no field says: why it failed, or what is wrong elsewhere. */
function reasonOf(problems: FormPart["problems"], failure: string): string {
  if (Object.keys(problems).length === 0) return failure;
  return Object.entries(problems)
    .filter(([path]) => !SHOWN.test(path) && !MORE_PATHS.test(path))
    .map(([path, problem]) => `${path} ${problem}`)
    .join("; ");
}

function WordFields({ draft, set, problems }: FormPart) {
  return (
    <>
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
    </>
  );
}

/** Only where there are blueprints. Choosing one fills in what it says; what was typed beside that stays. */
function BlueprintField(props: {
  readonly chosen: Blueprint | null;
  readonly onChoose: (blueprint: Blueprint | null) => void;
}) {
  const blueprints = useBlueprints();
  if (blueprints.status !== "ready" || blueprints.value.length === 0) return null;
  return (
    <NativeSelect
      label="Begin with a blueprint"
      description={props.chosen?.description}
      value={props.chosen?.blueprintId ?? ""}
      data-testid="blueprint"
      data={[
        { value: "", label: "None" },
        ...blueprints.value.map(({ blueprintId, name }) => ({ value: blueprintId, label: name })),
      ]}
      onChange={(event) => {
        const { value } = event.currentTarget;
        props.onChoose(blueprints.value.find((one) => one.blueprintId === value) ?? null);
      }}
    />
  );
}
