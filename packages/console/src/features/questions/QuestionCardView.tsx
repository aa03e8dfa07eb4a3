/** Something that only the reader knows, asked in the middle of the agent's work. Shows how it ended afterwards. */
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { IconCheck, IconHelpCircle, IconX } from "@tabler/icons-react";
import { type FormEvent, type ReactNode, useRef } from "react";
import { formatClock, formatLeft } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { Failure } from "../../ui/Failure.tsx";
import {
  RequestButtons,
  RequestCard,
  RequestEnd,
  RequestExpiry,
  RequestTitle,
} from "../../ui/RequestCard.tsx";
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
const SOON_MS = 10 * 60 * SECOND_MS;
const INVALID = 'input[aria-invalid="true"]';

export function QuestionCardView(props: Props) {
  const { id, form, expiresAt, open, mayAnswer, ending, answering, toAgent, about } = props;
  const waiting = open && ending === null;
  const cardRef = useRef<HTMLElement>(null);
  const title = form.map((one) => one.text).join(" ");
  return (
    <RequestCard
      ref={cardRef}
      testId="question-card"
      requestId={id}
      label={`Question: ${title}`}
      waiting={waiting}
      icon={<IconHelpCircle size={18} aria-hidden="true" />}
      headline={waiting && mayAnswer ? "Your answer is needed" : "Question"}
      expiry={<Expiry expiresAt={expiresAt} />}
    >
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
          <RequestTitle>{title}</RequestTitle>
          {waiting ? (
            <p className={classes["note"]}>It waits for somebody who may answer.</p>
          ) : (
            <Ended ending={ending} />
          )}
        </>
      )}
    </RequestCard>
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
      <RequestButtons>
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
      </RequestButtons>
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
    <RequestExpiry
      text={left <= 0 ? "expired" : `open for ${formatLeft(left)}`}
      urgent={left <= SOON_MS}
    />
  );
}

const ENDINGS: Readonly<Record<string, string>> = {
  answered: "Answered",
  expired: "Nobody answered in time",
  cancelled: "Closed without an answer",
};

function Ended({ ending }: { readonly ending: Ending | null }) {
  const tone = ending?.outcome === "answered" ? "good" : "quiet";
  return (
    <RequestEnd
      testId="question-outcome"
      end={ending === null ? null : { name: ending.outcome, tone }}
    >
      {ending === null ? null : (
        <>
          <strong>{ENDINGS[ending.outcome] ?? ending.outcome}</strong>
          {ending.answeredBy === null ? "" : ` by ${ending.answeredBy}`}
          {ending.ts === null ? "" : ` at ${formatClock(ending.ts)}`}
        </>
      )}
    </RequestEnd>
  );
}
