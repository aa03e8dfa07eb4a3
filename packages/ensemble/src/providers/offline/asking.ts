/**
 * Owns what the offline model asks the person in the middle of its work, where somebody says so in plain words, and what it
 * does with the answer: says it back, or writes it down. The answer is data and is never followed. Pure.
 */
import { z } from "zod";
import type { Tool } from "../../inference/types.ts";
import type { Observation } from "./observations.ts";
import { safe } from "./sentences.ts";
import { FILE_NAME, type FileCall, POLITE, writing } from "./workspace.ts";

export const ASK_TOOL = "ask_person";

interface Ask {
  readonly question: string;
  /** The file that the answer is to be written to. */
  readonly path?: string;
}

const THEN = new RegExp(
  `[\\s,;.]+(?:and|then|and\\s+then)\\s+(?:write|save|put|note)\\s+(?:the\\s+answer|it|that|them)(?:\\s+down)?\\s+(?:to|into|in|as)\\s+(${FILE_NAME})\\W*$`,
  "i",
);
/** In so many words: after a colon, or between quotes. */
const LITERALLY = new RegExp(
  `${POLITE}ask\\s+me\\s*(?::\\s*(\\S[\\s\\S]*)|["“]([^"”]+)["”]\\W*)$`,
  "i",
);
/** "Ask me which flowers I like": without such a word it is about something else. */
const INDIRECTLY = new RegExp(
  `${POLITE}ask\\s+me\\s+((?:which|what|who|whom|whose|when|where|why|how|whether|if)\\s[\\s\\S]+?)[?.!\\s]*$`,
  "i",
);
const QUESTION_CHARS_MAX = 500;
const ANSWER_CHARS_MAX = 500;

/** The question that `text` wants to be asked with the tools at hand, or undefined where it is about something else. */
export function askCall(text: string, tools: readonly Tool[]): Omit<FileCall, "tool"> | undefined {
  const ask = tools.some(({ name }) => name === ASK_TOOL) ? readAsk(text) : undefined;
  if (ask === undefined) return undefined;
  return { say: "I'll ask you that.", arguments: { question: ask.question } };
}

function readAsk(text: string): Ask | undefined {
  const said = text.trim();
  const [, path] = THEN.exec(said) ?? [];
  const first = path === undefined ? said : said.replace(THEN, "");
  const question = questionIn(first)?.slice(0, QUESTION_CHARS_MAX);
  if (question === undefined) return undefined;
  return path === undefined ? { question } : { question, path };
}

function questionIn(text: string): string | undefined {
  const [, afterColon, quoted] = LITERALLY.exec(text) ?? [];
  const literal = (afterColon ?? quoted)?.trim();
  if (literal !== undefined) return literal;
  const [, indirect] = INDIRECTLY.exec(text) ?? [];
  return indirect === undefined ? undefined : `Please tell me ${toYou(indirect)}.`;
}

const YOURS: Readonly<Record<string, string>> = {
  i: "you",
  me: "you",
  my: "your",
  mine: "yours",
  am: "are",
};

const toYou = (text: string): string =>
  text.replace(/\b(?:i|me|my|mine|am)\b/gi, (word) => YOURS[word.toLowerCase()] ?? word);

const answered = z.object({ answer: z.string() });

/** What follows on the answer to the question that `asked` wanted; undefined for other tools. */
export function afterAnswer(
  { call, status, result, error }: Observation,
  asked: string,
  tools: readonly Tool[],
): { readonly say: string } | FileCall | undefined {
  if (call.name !== ASK_TOOL) return undefined;
  if (status === "cancelled") return { say: "You left my question open, so I leave it at that." };
  const { data } = answered.safeParse(result);
  if (status !== "succeeded" || data === undefined) {
    return { say: `I got no answer: ${safe(error?.message ?? "no reason was given")}` };
  }
  const { path } = readAsk(asked) ?? {};
  const canWrite = tools.some(({ name }) => name === "write_file");
  if (path !== undefined && canWrite) return writing(path, data.answer);
  return { say: `You said: “${safe(data.answer.slice(0, ANSWER_CHARS_MAX))}”. Thank you.` };
}
