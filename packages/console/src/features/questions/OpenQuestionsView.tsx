/** Everything that people of the workspace are asked and nobody has answered, also outside of conversations. */
import { IconHelpCircle } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { humanize } from "../../lib/format.ts";
import { useGateway } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import { CopyId } from "../../ui/CopyId.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import page from "../../ui/page.module.css";
import {
  type Asker,
  isOfAgent,
  mayAnswer,
  type OpenQuestion,
  readOpenQuestions,
} from "./open-questions.ts";
import { type Ending, QuestionCardView } from "./QuestionCardView.tsx";
import { readForm } from "./question-form.ts";
import { useQuestion } from "./use-question.ts";

interface Props {
  readonly me: Asker;
  /** Grows when something happened in a session: a question may have come or gone. */
  readonly version: number;
}

const PATH = "/api/inputs?status=open&limit=100";

export function OpenQuestionsView({ me, version }: Props) {
  const gateway = useGateway();
  const read = async (signal: AbortSignal) =>
    readOpenQuestions(await gateway.fetchJson(PATH, signal));
  const list = useLoaded("questions", read, version);
  return (
    <div className={page["page"]} data-testid="open-questions">
      <p className={page["lead"]}>
        What an agent's work needs and only a person knows. It goes on with your answer.
      </p>
      <LoadedView what="questions" loaded={list}>
        {(questions) =>
          questions.length === 0 ? (
            <Empty icon={<IconHelpCircle size={32} />} title="Nobody is asked anything">
              When something is missing that only you know, such as in whose name to book, it is
              asked in the conversation and listed here until it is answered.
            </Empty>
          ) : (
            <ul className={page["list"]}>
              {questions.map((one) => (
                <li key={one.id}>
                  {mayAnswer(one, me) ? (
                    <Answerable question={one} onOver={list.reload} />
                  ) : (
                    <Somebodys question={one} />
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </LoadedView>
    </div>
  );
}

function Answerable(props: { readonly question: OpenQuestion; readonly onOver: () => void }) {
  const { question, onOver } = props;
  const { id, commandId, questions, answerSchema } = question;
  const gateway = useGateway();
  const [ending, setEnding] = useState<Ending | null>(null);
  const form = useMemo(() => readForm({ questions, answerSchema }), [questions, answerSchema]);
  const give = async (answer: object, outcome: string) => {
    const path = `/api/commands/${encodeURIComponent(commandId)}/input`;
    await gateway.postJson(path, { inputRequestId: id, ...answer });
    setEnding({ outcome, answeredBy: null, ts: null });
    onOver();
  };
  const answering = useQuestion(form, {
    answer: (input) => give({ input }, "answered"),
    dismiss: () => give({ dismissed: true }, "cancelled"),
  });
  return (
    <QuestionCardView
      id={id}
      form={form}
      expiresAt={question.expiresAtMs}
      open
      mayAnswer
      ending={ending}
      answering={answering}
      toAgent={isOfAgent(question.taskName)}
      about={<About question={question} />}
    />
  );
}

function Somebodys({ question }: { readonly question: OpenQuestion }) {
  const form = readForm(question);
  return (
    <div className={page["card"]}>
      <h3 className={page["title"]}>{form.map((one) => one.text).join(" ")}</h3>
      <About question={question} />
    </div>
  );
}

function About({ question }: { readonly question: OpenQuestion }) {
  return (
    <p className={page["meta"]}>
      For {humanize(question.taskName)} · asked of {question.requestedBy} · command{" "}
      <CopyId what="command id" id={question.commandId} />
    </p>
  );
}
