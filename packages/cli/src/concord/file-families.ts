/**
 * Owns the commands over what a session's agent keeps in its workspace, as data (docs/files.md). Reading only: files
 * are the agent's to write.
 */
import { writeFileSync } from "node:fs";
import type { Api } from "./api.ts";
import { type Family, type Flag, type Outcome, path } from "./operation.ts";
import { columns, type Row } from "./render.ts";

const SESSION = { name: "session", help: "the id of the session" };
const FILE = { name: "path", help: "the file, relative to the workspace" };
const OUTPUT: Flag = { flags: "--output <file>", help: "write the bytes to this file" };

interface Content {
  readonly path: string;
  readonly content: string;
  readonly encoding: "utf8" | "base64";
  readonly iteration?: number;
}

const ask = (api: Api, session: string, rest: string, query: Row) =>
  api.ask({ path: `${path`/api/threads/${session}`}/files${rest}`, query: query as never });

function shownFile(file: Content, output: string | undefined): Outcome {
  if (output !== undefined) {
    const bytes = Buffer.from(file.content, file.encoding);
    writeFileSync(output, bytes);
    return { value: file, text: `${bytes.length} bytes of ${file.path} are in ${output}.` };
  }
  if (file.encoding === "utf8") return { value: file, text: file.content.replace(/\n$/, "") };
  throw new Error(`${file.path} is not text: --output <file> writes its bytes, --json shows them`);
}

function shownHistory(answer: unknown): Outcome {
  const { iterations } = answer as { iterations: readonly Row[] };
  const rows = iterations.map(({ iteration, timestamp, size, hash, deleted }) => ({
    iteration,
    at: new Date(Number(timestamp)).toISOString(),
    size,
    hash: deleted === true ? "deleted" : String(hash).slice(0, 12),
  }));
  return {
    value: answer,
    text: columns(rows, ["iteration", "at", "size", "hash"], "It never was."),
  };
}

const FILES: Family = {
  name: "files",
  summary: "what the agent of a session keeps in its workspace",
  service: "gateway",
  operations: [
    {
      name: "list",
      summary: "list the files",
      args: [SESSION],
      flags: [
        { flags: "--path <folder>", help: "below this folder only" },
        { flags: "--depth <n>", help: "how many folders deep (1 to 20)" },
      ],
      run: async (api, { args: [session = ""], flags }) => {
        const answer = await ask(api, session, "", { depth: "20", ...flags });
        const { entries } = answer as { entries: readonly Row[] };
        return {
          value: answer,
          text: columns(entries, ["path", "kind", "size"], "The agent keeps no files yet."),
        };
      },
    },
    {
      name: "read",
      summary: "show one file",
      args: [SESSION, FILE],
      flags: [{ flags: "--iteration <n>", help: "as it was after this change" }, OUTPUT],
      run: async (api, { args: [session = "", file], flags: { iteration, output } }) => {
        const query = { path: file, iteration };
        const answer = (await ask(api, session, "/content", query)) as { file: Content };
        return shownFile(answer.file, output === undefined ? undefined : String(output));
      },
    },
    {
      name: "history",
      summary: "list the versions of one file, oldest first",
      args: [SESSION, FILE],
      run: async (api, { args: [session = "", file] }) =>
        shownHistory(await ask(api, session, "/history", { path: file })),
    },
  ],
};

export const FILE_FAMILIES: readonly Family[] = [FILES];
