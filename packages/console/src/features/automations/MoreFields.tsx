/** The rest of what an automation can be told: what happens when something goes wrong, its limits, and who else is told. */
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import page from "../../ui/page.module.css";
import type { Draft } from "./automation-draft.ts";
import { type FormPart, type SessionChoice, sessionOptions } from "./form-part.ts";

/** Problems that are shown at these fields. */
export const MORE_PATHS =
  /^(retries\.(max|backoffSeconds)|missed\.(policy|max)|overlap|limits\.(runMinutes|runsPerDay|failuresInARow)|tools.*|variables.*|delivery\.(sessionId|webhook.*|task.*))$/;

type TextKey = {
  [K in keyof Draft]: string extends Draft[K] ? K : never;
}[keyof Draft];

const ENDS = [
  { value: "always", label: "Each end of a run" },
  { value: "problems", label: "Only problems" },
];

export function MoreFields(props: FormPart & { readonly sessions: readonly SessionChoice[] }) {
  const { sessions, ...part } = props;
  const isWrong = Object.keys(part.problems).some((path) => MORE_PATHS.test(path));
  return (
    <details className={page["more"]} open={isWrong || undefined} data-testid="more-fields">
      <summary>When something goes wrong, limits, tools, and who else is told</summary>
      <TroubleFields {...part} />
      <LimitFields {...part} />
      <VariableFields {...part} />
      <OutsideFields {...part} sessions={sessions} />
    </details>
  );
}

function Text(
  props: FormPart & {
    readonly name: TextKey;
    readonly path: string;
    readonly label: string;
    readonly hint?: string;
    readonly numeric?: boolean;
  },
) {
  const { draft, set, problems, name, path, label, hint, numeric = false } = props;
  return (
    <TextInput
      label={label}
      description={hint}
      inputMode={numeric ? "numeric" : "text"}
      value={draft[name]}
      error={problemAt(problems, path)}
      data-path={path}
      onChange={(event) => set({ [name]: event.currentTarget.value })}
    />
  );
}

/** What is wrong there, or below it. */
function problemAt(problems: FormPart["problems"], path: string): string | undefined {
  const found = Object.entries(problems).filter(
    ([at]) => at === path || at.startsWith(`${path}.`) || at.startsWith(`${path}[`),
  );
  return found.length === 0 ? undefined : found.map(([, problem]) => problem).join("; ");
}

function TroubleFields(part: FormPart) {
  const { draft, set } = part;
  return (
    <div className={page["fields"]}>
      <Text
        {...part}
        name="retriesMax"
        path="retries.max"
        label="Try a failed run again"
        hint="times, 0 to 10"
        numeric
      />
      <Text
        {...part}
        name="backoffSeconds"
        path="retries.backoffSeconds"
        label="First after"
        hint="seconds, then twice as long each time"
        numeric
      />
      <NativeSelect
        label="Times that nobody was there for"
        value={draft.missedPolicy}
        data-path="missed.policy"
        data={[
          { value: "run_once", label: "One run makes up for all" },
          { value: "skip", label: "Are left out" },
          { value: "catch_up", label: "The newest are all run" },
        ]}
        onChange={({ currentTarget: { value } }) =>
          set({ missedPolicy: value as Draft["missedPolicy"] })
        }
      />
      {draft.missedPolicy === "catch_up" ? (
        <Text {...part} name="missedMax" path="missed.max" label="At most so many" numeric />
      ) : null}
      <NativeSelect
        label="Due while the run before goes on"
        value={draft.overlap}
        data-path="overlap"
        data={[
          { value: "skip", label: "Is left out" },
          { value: "queue", label: "Runs after it" },
        ]}
        onChange={({ currentTarget: { value } }) => set({ overlap: value as Draft["overlap"] })}
      />
    </div>
  );
}

function LimitFields(part: FormPart) {
  const { draft, set } = part;
  return (
    <div className={page["fields"]}>
      <Text
        {...part}
        name="runMinutes"
        path="limits.runMinutes"
        label="Stop a run after"
        hint="minutes of work"
        numeric
      />
      <Text
        {...part}
        name="runsPerDay"
        path="limits.runsPerDay"
        label="Runs in 24 hours"
        hint="at most"
        numeric
      />
      <Text
        {...part}
        name="failuresInARow"
        path="limits.failuresInARow"
        label="Pause it after"
        hint="failed runs in a row; 0: never"
        numeric
      />
      {draft.sessionId === "" ? (
        <Text
          {...part}
          name="agentType"
          path="execution.agentType"
          label="Agent"
          hint="of the sessions that runs make"
        />
      ) : null}
      <NativeSelect
        label="Tools of the agent"
        value={draft.toolsAre}
        data-path="tools"
        data={[
          { value: "all", label: "All that the owner's rights allow" },
          { value: "some", label: "Only these" },
        ]}
        onChange={({ currentTarget: { value } }) => set({ toolsAre: value as Draft["toolsAre"] })}
      />
      {draft.toolsAre === "some" ? (
        <Text
          {...part}
          name="tools"
          path="tools"
          label="Their names"
          hint="with commas between; none: no tools"
        />
      ) : null}
    </div>
  );
}

function VariableFields({ draft, set, problems }: FormPart) {
  const { variables } = draft;
  const put = (index: number, change: Partial<Draft["variables"][number]>) =>
    set({ variables: variables.map((one, at) => (at === index ? { ...one, ...change } : one)) });
  return (
    <div className={page["rows"]}>
      {variables.map(({ name, value }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place; its name is being typed.
        <div className={page["fields"]} key={index}>
          <TextInput
            label={`{{${name || "…"}}} in the words above`}
            aria-label="Name of a variable"
            value={name}
            error={problemAt(problems, `variables.${name}`)}
            onChange={(event) => put(index, { name: event.currentTarget.value })}
          />
          <TextInput
            label="stands for"
            value={value}
            onChange={(event) => put(index, { value: event.currentTarget.value })}
          />
          <Button
            variant="subtle"
            onClick={() => set({ variables: variables.filter((_, at) => at !== index) })}
          >
            Take out
          </Button>
        </div>
      ))}
      {problems["variables"] === undefined ? null : (
        <p className={page["meta"]}>{problems["variables"]}</p>
      )}
      <div>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => set({ variables: [...variables, { name: "", value: "" }] })}
        >
          Add a variable
        </Button>
      </div>
    </div>
  );
}

function OutsideFields(props: FormPart & { readonly sessions: readonly SessionChoice[] }) {
  const { sessions, ...part } = props;
  const { draft, set, problems } = part;
  return (
    <>
      <div className={page["fields"]}>
        <NativeSelect
          label="A session that is told how each run ended"
          value={draft.toldSessionId}
          error={problems["delivery.sessionId"]}
          data={sessionOptions(sessions, draft.toldSessionId, "None")}
          onChange={(event) => set({ toldSessionId: event.currentTarget.value })}
        />
        <Text
          {...part}
          name="webhookUrl"
          path="delivery.webhook.url"
          label="An address that is told"
          hint="https://…; empty: none"
        />
        {draft.webhookUrl.trim() === "" ? null : (
          <>
            <Text
              {...part}
              name="webhookSecretRef"
              path="delivery.webhook.secretRef"
              label="Signed with the secret in"
              hint="a variable of the gateway, env:DIMINUENDO_WEBHOOK_…"
            />
            <When {...part} name="webhookWhen" />
          </>
        )}
        <Text
          {...part}
          name="taskName"
          path="delivery.task.name"
          label="A task that is asked for"
          hint="such as tell_person; empty: none"
        />
        {draft.taskName.trim() === "" ? null : <When {...part} name="taskWhen" />}
      </div>
      {draft.taskName.trim() === "" ? null : (
        <Textarea
          label="What the task is given"
          description="JSON; in its texts {{status}}, {{summary}} and {{automation}} stand for what is known of the run."
          autosize
          minRows={3}
          value={draft.taskPayload}
          error={problemAt(problems, "delivery.task.payload")}
          data-path="delivery.task.payload"
          onChange={(event) => set({ taskPayload: event.currentTarget.value })}
        />
      )}
    </>
  );
}

function When(props: FormPart & { readonly name: "webhookWhen" | "taskWhen" }) {
  const { draft, set, name } = props;
  return (
    <NativeSelect
      label="of"
      value={draft[name]}
      data={ENDS}
      onChange={({ currentTarget: { value } }) => set({ [name]: value as Draft[typeof name] })}
    />
  );
}
