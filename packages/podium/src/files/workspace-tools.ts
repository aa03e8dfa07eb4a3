/**
 * Owns the tools by which a model works on its agent's own files: names, arguments, limits. Pure.
 * Refuses to own: doing it (`engine/workspace-desk.ts`). These calls become no command: nothing outside Podium changes.
 */
import { z } from "zod";
import type { Tool } from "../runs/agent-step.ts";

/** What one read shows; a longer file is read on from `offset`. */
export const READ_CHARS_MAX = 16_000;

const path = z.string().describe("Relative to your workspace, folders divided by /.");

const ARGUMENTS = {
  list_files: z.strictObject({
    path: z.string().optional().describe("A folder; absent: the whole workspace."),
  }),
  read_file: z.strictObject({
    path,
    offset: z.int().min(0).optional().describe("Where to begin, in characters."),
    iteration: z.int().min(1).optional().describe("As the file was then; absent: as it is."),
  }),
  write_file: z.strictObject({
    path,
    content: z.string().describe("The whole file as it shall be."),
    encoding: z.enum(["utf8", "base64"]).optional().describe("utf8 unless said otherwise."),
  }),
  delete_file: z.strictObject({ path }),
} as const;

export type WorkspaceToolName = keyof typeof ARGUMENTS;

const DESCRIPTIONS: Readonly<Record<WorkspaceToolName, string>> = {
  list_files: "List the files of your own workspace, which stays from turn to turn.",
  read_file: `Read a file of your own workspace, at most ${READ_CHARS_MAX} characters at once.`,
  write_file:
    "Write a file of your own workspace, whole. People of the session can read it, and each version is kept.",
  delete_file: "Delete a file of your own workspace. Its earlier versions stay readable.",
};

/** The tools as a model is offered them. */
export const WORKSPACE_TOOLS: readonly Pick<Tool, "name" | "description" | "input_schema">[] =
  Object.entries(ARGUMENTS).map(([name, schema]) => {
    const { $schema: _, ...input_schema } = z.toJSONSchema(schema);
    return { name, description: DESCRIPTIONS[name as WorkspaceToolName], input_schema };
  });

export const isWorkspaceTool = (name: string): name is WorkspaceToolName =>
  Object.hasOwn(ARGUMENTS, name);

export type WorkspaceCall = {
  readonly [N in WorkspaceToolName]: {
    readonly name: N;
    readonly given: z.infer<(typeof ARGUMENTS)[N]>;
  };
}[WorkspaceToolName];

/** The call with its arguments checked, or a sentence about what is wrong with them. */
export function readCall(
  name: WorkspaceToolName,
  given: unknown,
): WorkspaceCall | { readonly problem: string } {
  const parsed = ARGUMENTS[name].safeParse(given);
  if (parsed.success) return { name, given: parsed.data } as WorkspaceCall;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`,
  );
  return { problem: problems.join("; ") };
}
