/** Something that only the reader knows, asked in the middle of the agent's work. Shows how it ended afterwards. */
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { IconCheck, IconHelpCircle, IconX } from "@tabler/icons-react";
import { type FormEvent, type ReactNode, useRef } from "react";
import { formatClock, formatLeft } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { Failure } from "../../ui/Failure.tsx";
import type { FormField, FormQuestion } from "./question-form.ts";
import classes from "./questions.module.css";
import type { Answering } from "./use-question.ts";

export interface Ending {
  readonly outcome: string;
  readonly answeredBy: string | null;
  readonly ts: number | null;
}

interface Props {
  readonly id: string;
  readonly form: readonly FormQuestion[];
  readonly expiresAt: number | null;
  /** Somebody may still answer. */
  readonly open: boolean;
  /** False: the reader only sees that it is asked. */
  readonly mayAnswer: boolean;
  readonly ending: Ending | null;
  readonly answering: Answering;
  /** The agent itself asks, and reads the answer; else only the task does that wants it. */
  readonly toAgent: boolean;
  /** What it is asked for, where the conversation does not say it. */
  readonly about?: ReactNode;
}

const SECOND_MS = 1_000;
const INVALID = 'input[aria-invalid="true"]';

export function QuestionCardView(props: Props) {
  const { id, form, expiresAt, open, mayAnswer, ending, answering, toAgent, about } = props;
  const waiting = open && ending === null;
  const cardRef = useRef<HTMLElement>(null);
  const title = form.map((one) => one.text).join(" ");
  return (
    <section
      ref={cardRef}
      tabIndex={-1}
      className={classes["card"]}
      data-waiting={waiting}
      data-testid="question-card"
      data-question-id={id}
      aria-label={`Question: ${title}`}
    >
      <header className={classes["head"]}>
        <IconHelpCircle size={18} aria-hidden="true" />
        <span>{waiting && mayAnswer ? "Your answer is needed" : "Question"}</span>
        {waiting ? <Expiry expiresAt={expiresAt} /> : null}
      </header>
      {about}
      {waiting && mayAnswer ? (
        <Form
          form={form}
          answering={answering}
          toAgent={toAgent}
          onSent={() => cardRef.current?.focus()}
        />
      ) : (
        <>
          <h3 className={classes["text"]}>{title}</h3>
          {waiting ? (
            <p className={classes["note"]}>It waits for somebody who may answer.</p>
          ) : (
            <Ended ending={ending} />
          )}
        </>
      )}
    </section>
  );
}

function Form(props: {
  readonly form: readonly FormQuestion[];
  readonly answering: Answering;
  readonly toAgent: boolean;
  readonly onSent: () => void;
}) {
  const { form, answering, toAgent, onSent } = props;
  const { pending, failure } = answering;
  const formRef = useRef<HTMLFormElement>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (answering.send()) onSent();
    // Once the problems are drawn, the first of them is where to go on.
    else requestAnimationFrame(() => formRef.current?.querySelector<HTMLElement>(INVALID)?.focus());
  };
  return (
    <form ref={formRef} className={classes["form"]} onSubmit={submit} noValidate>
      {form.map((question) => (
        <fieldset key={question.text} className={classes["question"]} disabled={pending !== null}>
          <legend className={classes["text"]}>{question.text}</legend>
          {question.fields.map((field) => (
            <Field key={field.name} field={field} answering={answering} />
          ))}
        </fieldset>
      ))}
      <p className={classes["note"]}>
        {toAgent
          ? "The agent reads your answer and goes on with it."
          : "Your answer goes to the record of what is done, not to the agent's model."}
      </p>
      <div className={classes["buttons"]}>
        <Button
          type="submit"
          leftSection={<IconCheck size={16} />}
          loading={pending === "answer"}
          disabled={pending === "dismiss"}
          data-testid="answer"
        >
          Answer
        </Button>
        <Button
          variant="default"
          leftSection={<IconX size={16} />}
          loading={pending === "dismiss"}
          disabled={pending === "answer"}
          data-testid="dismiss"
          onClick={() => {
            onSent();
            answering.dismiss();
          }}
        >
          Don't answer
        </Button>
      </div>
      {failure === null ? null : <Failure reason={failure} />}
    </form>
  );
}

function Field({ field, answering }: { field: FormField; answering: Answering }) {
  const common = {
    label: field.label,
    description: field.hint,
    error: answering.problems[field.name] ?? null,
    withAsterisk: field.required,
    value: answering.typed[field.name] ?? "",
    "data-testid": "question-field",
    "data-field": field.name,
    onChange: (event: { readonly currentTarget: { readonly value: string } }) =>
      answering.type(field.name, event.currentTarget.value),
  };
  const choices = choicesOf(field);
  if (choices !== null) return <NativeSelect {...common} data={[...choices]} />;
  if (field.kind === "json") {
    return <Textarea {...common} autosize minRows={2} placeholder="JSON" />;
  }
  return (
    <TextInput
      {...common}
      type={INPUT_TYPES[field.kind] ?? "text"}
      inputMode={field.kind === "number" ? "decimal" : undefined}
      maxLength={field.charactersMax ?? undefined}
    />
  );
}

const INPUT_TYPES: Readonly<Record<string, string>> = { email: "email", date: "date" };

function choicesOf({ kind, choices, required }: FormField) {
  const none = { value: "", label: required ? "Choose…" : "No answer" };
  if (kind === "yes_no") {
    return [none, { value: "yes", label: "Yes" }, { value: "no", label: "No" }];
  }
  if (kind !== "choice") return null;
  return [none, ...choices.map(({ label }, index) => ({ value: String(index), label }))];
}

function Expiry({ expiresAt }: { readonly expiresAt: number | null }) {
  const nowMs = useNow(SECOND_MS);
  if (expiresAt === null) return null;
  const left = expiresAt - nowMs;
  return (
    <span className={classes["expiry"]}>
      {left <= 0 ? "expired" : `open for ${formatLeft(left)}`}
    </span>
  );
}

const ENDINGS: Readonly<Record<string, string>> = {
  answered: "Answered",
  expired: "Nobody answered in time",
  cancelled: "Closed without an answer",
};

function Ended({ ending }: { readonly ending: Ending | null }) {
  const Icon = ending?.outcome === "answered" ? IconCheck : IconX;
  return (
    <p
      className={classes["ended"]}
      data-outcome={ending?.outcome ?? "lapsed"}
      data-testid="question-outcome"
    >
      <Icon size={16} aria-hidden="true" />
      <span>
        {ending === null ? (
          "Nothing waits for this answer any more."
        ) : (
          <>
            <strong>{ENDINGS[ending.outcome] ?? ending.outcome}</strong>
            {ending.answeredBy === null ? "" : ` by ${ending.answeredBy}`}
            {ending.ts === null ? "" : ` at ${formatClock(ending.ts)}`}
          </>
        )}
      </span>
    </p>
  );
}
