/**
 * Owns a thought's work on its agent's files: what is one commit, and what is never done again.
 * Refuses to own: which tools there are (`files/workspace-tools.ts`) and what is kept (`store/workspaces.ts`).
 *
 * INVARIANT P15: a round's file iterations, its events and its record are one transaction. A thought that is repeated
 * finds the round done: no file is written twice, no answer paid for twice.
 */
import { ApiError } from "@concert/service-kit";
import { bytesOf, textOf, toldAs } from "../files/file-content.ts";
import { filePath, folderPath, PARTS_MAX } from "../files/file-path.ts";
import { entriesBelow } from "../files/file-tree.ts";
import {
  isWorkspaceTool,
  READ_CHARS_MAX,
  readCall,
  type WorkspaceCall,
} from "../files/workspace-tools.ts";
import { callOutcome } from "../runs/call-outcome.ts";
import { callIdOf } from "../runs/derived-ids.ts";
import type { ProposedCall } from "../runs/fold-step.ts";
import type { EventDraft, Usage } from "../runs/podium-events.ts";
import {
  foldRoundCall,
  type RoundCall,
  type RoundOutcome,
  remembered,
  type WorkspaceRound,
} from "../runs/workspace-round.ts";
import type { Instance } from "../store/instances.ts";
import type { Store } from "../store/store.ts";
import type { Turn } from "../store/turns.ts";
import type { FileChange } from "../store/workspaces.ts";
import { refuseEnded } from "./open-turn.ts";

/** Whose work it is: a thought of a turn. */
export interface Thinking {
  readonly instance: Instance;
  readonly turn: Turn;
  readonly commandId: string;
  readonly stepKey: string;
  readonly stepIndex: number;
}

export interface Said {
  readonly text: string;
  readonly calls: readonly ProposedCall[];
  readonly usage: Usage;
}

/** A longer list is read folder by folder. */
const LISTED_MAX = 200;

interface Done {
  readonly outcome: RoundOutcome;
  readonly change?: FileChange;
}

/** Whether an agent may use a tool in this turn: an automation may name the only ones. */
export function mayUse({ cause }: Turn, toolName: string): boolean {
  return cause?.tools === undefined || cause.tools.includes(toolName);
}

const notItsTool = (toolName: string) =>
  new ApiError(403, "tool_not_allowed", `The automation of this turn may not use ${toolName}.`);

/** Does the calls, all of which are the workspace's, and records them after `before`. Throws 409 `turn_stopped`. */
export function doRound(
  store: Store,
  thinking: Thinking,
  said: Said,
  before: readonly EventDraft[],
): WorkspaceRound {
  const { instance, turn, stepKey, stepIndex } = thinking;
  const { instanceId } = instance;
  return store.write(() => {
    refuseEnded(store.turns.get(instanceId, turn.turnId) ?? turn);
    const append = (draft: EventDraft) => store.append(instanceId, turn.turnId, draft);
    for (const draft of before) append(draft);
    const number = store.rounds.count(turn.turnSeq, stepIndex);
    const calls = said.calls.map((call, position): RoundCall => {
      const callId = callIdOf(`${stepKey}:files:${number}`, position);
      const { outcome, change } = doCall(store, thinking, call);
      const rest = change === undefined ? [] : [fileChange(change)];
      const told = toldOutcome(callId, call, thinking.commandId, outcome);
      for (const draft of [...foldRoundCall(callId, call), ...rest, told]) append(draft);
      return { call_id: callId, tool_name: call.toolName, arguments: remembered(call), outcome };
    });
    const round = { stepIndex, text: said.text, calls, usage: said.usage };
    store.rounds.record(turn.turnSeq, number, round);
    return round;
  });
}

const fileChange = (change: FileChange): EventDraft => ({
  type: "file_change",
  content: { path: change.path, change: change.change, iteration: change.iteration },
});

function toldOutcome(
  call_id: string,
  { toolName: tool_name }: ProposedCall,
  command_id: string,
  outcome: RoundOutcome,
): EventDraft {
  return callOutcome({ call_id, tool_name, command_id, status: outcome.status }, outcome);
}

/** One call; what cannot be done changes nothing and is told to the model. */
function doCall(store: Store, { instance, turn }: Thinking, call: ProposedCall): Done {
  try {
    if (!mayUse(turn, call.toolName)) throw notItsTool(call.toolName);
    if (!isWorkspaceTool(call.toolName)) throw new Error(`${call.toolName} is no workspace tool`);
    const read = readCall(call.toolName, call.arguments);
    if ("problem" in read) throw new ApiError(400, "invalid_arguments", read.problem);
    return perform(store, instance, read);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, message } = error;
    return { outcome: { status: "failed", error: { class: code, message } } };
  }
}

function perform(store: Store, instance: Instance, call: WorkspaceCall): Done {
  const { workspaces } = store;
  const atMs = Date.parse(store.now());
  switch (call.name) {
    case "list_files":
      return succeeded(listed(store, instance, call.given.path ?? ""));
    case "read_file":
      return succeeded(excerpt(store, instance, call.given));
    case "write_file": {
      const content = bytesOf(call.given.content, call.given.encoding ?? "utf8");
      return changed(workspaces.write(instance, filePath(call.given.path), content, atMs));
    }
    case "delete_file":
      return changed(workspaces.remove(instance, filePath(call.given.path), atMs));
  }
}

const succeeded = (result: unknown): Done => ({ outcome: { status: "succeeded", result } });

const changed = (change: FileChange): Done => ({ ...succeeded(change), change });

function listed(store: Store, instance: Instance, path: string): unknown {
  const folder = folderPath(path);
  const entries = entriesBelow(store.workspaces.files(instance.instanceId), folder, PARTS_MAX);
  if (entries === undefined)
    throw new ApiError(404, "unknown_file", `There is nothing at "${folder}".`);
  const files = entries.filter(({ kind }) => kind === "file");
  const leftOut = files.length - LISTED_MAX;
  return { files: files.slice(0, LISTED_MAX), ...(leftOut > 0 ? { left_out: leftOut } : {}) };
}

function excerpt(
  { workspaces }: Store,
  instance: Instance,
  given: { path: string; offset?: number | undefined; iteration?: number | undefined },
): unknown {
  const path = filePath(given.path);
  const file =
    given.iteration === undefined
      ? workspaces.read(instance, path)
      : workspaces.at(instance, path, given.iteration);
  const whole = textOf(file.content);
  if (whole === undefined)
    return {
      path,
      iteration: file.iteration,
      ...cut(toldAs(file.content).content, 0),
      encoding: "base64",
    };
  return { path, iteration: file.iteration, ...cut(whole, given.offset ?? 0) };
}

/** A piece, and where to read on. */
function cut(text: string, offset: number) {
  const content = text.slice(offset, offset + READ_CHARS_MAX);
  const next = offset + content.length;
  return { content, ...(next < text.length ? { next_offset: next } : {}) };
}
