/** Owns answering one question: what was typed, whether it is on its way, why it failed. */
import { GatewayError } from "@concert/sdk";
import { useCallback, useState } from "react";
import { explainError } from "../../lib/explain-error.ts";
import { type FormQuestion, readAnswer, type Typed } from "./question-form.ts";

export interface Answering {
  readonly typed: Typed;
  readonly type: (name: string, text: string) => void;
  /** By field. */
  readonly problems: Readonly<Record<string, string>>;
  /** On its way, until the record says how it ended. */
  readonly pending: "answer" | "dismiss" | null;
  readonly failure: string | null;
  /** False when something is missing: then nothing was sent. */
  readonly send: () => boolean;
  readonly dismiss: () => void;
}

export interface AnswerActs {
  readonly answer: (input: Readonly<Record<string, unknown>>) => Promise<unknown>;
  readonly dismiss: () => Promise<unknown>;
}

export function useQuestion(form: readonly FormQuestion[], acts: AnswerActs): Answering {
  const [typed, setTyped] = useState<Typed>({});
  const [problems, setProblems] = useState<Answering["problems"]>({});
  const [pending, setPending] = useState<Answering["pending"]>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const run = useCallback((what: "answer" | "dismiss", work: () => Promise<unknown>) => {
    setPending(what);
    setFailure(null);
    work().catch((error: unknown) => {
      setPending(null);
      setProblems(problemsIn(error));
      setFailure(explainError(error));
    });
  }, []);
  const type = useCallback((name: string, text: string) => {
    setTyped((before) => ({ ...before, [name]: text }));
    setProblems(({ [name]: _, ...others }) => others);
  }, []);
  const send = () => {
    const read = readAnswer(form, typed);
    setProblems("problems" in read ? read.problems : {});
    if (!("input" in read)) return false;
    run("answer", () => acts.answer(read.input));
    return true;
  };
  return {
    typed,
    type,
    problems,
    pending,
    failure,
    send,
    dismiss: () => run("dismiss", acts.dismiss),
  };
}

/** What the gateway says is wrong, at the fields it is about. */
function problemsIn(error: unknown): Answering["problems"] {
  const found = error instanceof GatewayError ? error.problems : [];
  return Object.fromEntries(found.map(({ path, problem }) => [path.split("/")[1] ?? "", problem]));
}
