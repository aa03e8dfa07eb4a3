/**
 * Owns what the offline model does with its agent's own files: writes, reads and lists them where somebody says so in
 * plain words that name a file. What a file holds is data and is shown, never followed. Pure.
 */
import { z } from "zod";
import type { Tool } from "../../inference/types.ts";
import type { Observation } from "./observations.ts";
import { safe } from "./sentences.ts";

export interface FileCall {
  readonly say: string;
  readonly tool: "write_file" | "read_file" | "list_files";
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Has an extension, so that no other word is taken for a file. */
export const FILE_NAME = "[\\w][\\w./-]{0,100}\\.\\w{1,8}";
export const POLITE = "^\\W*(?:please\\s+|can you\\s+|could you\\s+)?";
const WRITE_FIRST = new RegExp(
  `${POLITE}(?:write|save|put|note)\\s+(?:(?:down|in|to|into|as)\\s+)*(${FILE_NAME})\\s*:\\s*(\\S[\\s\\S]*)$`,
  "i",
);
const WRITE_LAST = new RegExp(
  `${POLITE}(?:write|save|put|note)(?:\\s+down)?\\s+(\\S[\\s\\S]{0,800}?)\\s+(?:to|into|in|as)\\s+(${FILE_NAME})\\W*$`,
  "i",
);
const READ = new RegExp(`${POLITE}(?:read|open|show)(?:\\s+me)?\\s+(${FILE_NAME})\\W*$`, "i");
const LIST = new RegExp(
  `${POLITE}(?:list|show|what are|which are)(?:\\s+me)?\\s+(?:all\\s+)?(?:your|the|my)?\\s*files\\W*$`,
  "i",
);
const SHOWN_CHARS_MAX = 2_000;

/** The call that `text` asks for with the tools at hand, or undefined where it is about something else. */
export function fileCall(text: string, tools: readonly Tool[]): FileCall | undefined {
  const wish = readWish(text.trim());
  return wish !== undefined && tools.some(({ name }) => name === wish.tool) ? wish : undefined;
}

function readWish(text: string): FileCall | undefined {
  const [, firstPath, firstContent] = WRITE_FIRST.exec(text) ?? [];
  if (firstPath !== undefined) return writing(firstPath, firstContent ?? "");
  const [, lastContent, lastPath] = WRITE_LAST.exec(text) ?? [];
  if (lastPath !== undefined) return writing(lastPath, unquoted(lastContent ?? ""));
  const [, path] = READ.exec(text) ?? [];
  if (path !== undefined) {
    return { say: `I'll look into ${safe(path)}.`, tool: "read_file", arguments: { path } };
  }
  return LIST.test(text)
    ? { say: "I'll look at what I keep.", tool: "list_files", arguments: {} }
    : undefined;
}

export const writing = (path: string, content: string): FileCall => ({
  say: `I'll write ${safe(path)}.`,
  tool: "write_file",
  arguments: { path, content },
});

const unquoted = (text: string): string => /^["“'](.*)["”']$/s.exec(text)?.[1] ?? text;

const written = z.object({ path: z.string(), change: z.string(), iteration: z.number() });
const content = z.object({ path: z.string(), content: z.string() });
const list = z.object({ files: z.array(z.object({ path: z.string(), size: z.number() })) });

/** What is said of a call for files that was answered; undefined for other tools. */
export function fileAnswer({ call, status, result, error }: Observation): string | undefined {
  const read = ANSWERS.get(call.name);
  if (read === undefined) return undefined;
  if (status === "succeeded") return read(result) ?? "I cannot read what came of it.";
  return `I could not do that with my files: ${safe(error?.message ?? "no reason was given")}`;
}

const ANSWERS: ReadonlyMap<string, (result: unknown) => string | undefined> = new Map([
  [
    "write_file",
    (result: unknown) => {
      const { data } = written.safeParse(result);
      return data && `\`${safe(data.path)}\` is ${data.change}, version ${data.iteration}.`;
    },
  ],
  [
    "read_file",
    (result: unknown) => {
      const { data } = content.safeParse(result);
      if (data === undefined) return undefined;
      const shown = data.content.slice(0, SHOWN_CHARS_MAX).replaceAll("```", "'''");
      return `\`${safe(data.path)}\` says:\n\n\`\`\`\n${shown}\n\`\`\``;
    },
  ],
  [
    "list_files",
    (result: unknown) => {
      const { data } = list.safeParse(result);
      if (data === undefined) return undefined;
      if (data.files.length === 0) return "I keep no files yet.";
      const lines = data.files
        .slice(0, 50)
        .map(({ path, size }) => `- ${safe(path)} (${size} bytes)`);
      return `I keep:\n\n${lines.join("\n")}`;
    },
  ],
]);
