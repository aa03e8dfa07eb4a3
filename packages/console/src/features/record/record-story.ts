/**
 * Owns the short form of a record: its entries grouped by command, and for each command the few lines that
 * answer who asked, what was allowed, who decided, what happened. Every entry stays in its group. Pure.
 */
import { humanize } from "../../lib/format.ts";
import type { CommandRecord, RecordEntry } from "./record.ts";
import { policyTitle } from "./record-words.ts";

export interface RecordGroup {
  readonly commandId: string;
  /** The turn itself; the others are what the agent asked for in it. */
  readonly isTurn: boolean;
  readonly title: string;
  /** The command's state after its newest entry. */
  readonly status: string;
  readonly story: readonly StoryLine[];
  readonly entries: readonly RecordEntry[];
}

export interface StoryLine {
  readonly key: string;
  readonly kind: RecordEntry["kind"];
  readonly tone: RecordEntry["tone"];
  readonly text: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The turn first, then its children in the order they were asked for. */
export function groupsOf(record: CommandRecord): readonly RecordGroup[] {
  const byCommand = new Map<string, RecordEntry[]>([[record.commandId, []]]);
  for (const entry of record.entries) {
    const home = homeOf(entry);
    const group = byCommand.get(home);
    if (group === undefined) byCommand.set(home, [entry]);
    else group.push(entry);
  }
  return [...byCommand].map(([commandId, entries]) => groupOf(record, commandId, entries));
}

/** An agent's proposal is entered with its turn, but it tells where the child came from. */
function homeOf(entry: RecordEntry): string {
  const child = entry.eventType === "tool_call_proposed" ? said(entry, "command_id") : null;
  return child ?? entry.commandId;
}

function groupOf(
  record: CommandRecord,
  commandId: string,
  entries: readonly RecordEntry[],
): RecordGroup {
  const isTurn = commandId === record.commandId;
  return {
    commandId,
    isTurn,
    title: isTurn ? "The turn" : humanize(taskOf(entries) ?? "command"),
    status: statusOf(entries) ?? (isTurn ? record.status : "created"),
    story: storyOf(entries),
    entries,
  };
}

function taskOf(entries: readonly RecordEntry[]): string | null {
  const created = entries.find((entry) => entry.eventType === "command_created");
  const named = created === undefined ? null : said(created, "task_name");
  return named ?? created?.title.replace(/^Asked for /, "") ?? null;
}

function statusOf(entries: readonly RecordEntry[]): string | null {
  const moved = entries.findLast((entry) => entry.eventType === "state_transitioned");
  return moved === undefined ? null : said(moved, "to");
}

/** Who asked → what was allowed → who decided → what happened. */
export function storyOf(entries: readonly RecordEntry[]): readonly StoryLine[] {
  return [...asked(entries), ...allowed(entries), ...decided(entries), ...happened(entries)];
}

function asked(entries: readonly RecordEntry[]): readonly StoryLine[] {
  const created = entries.find((entry) => entry.eventType === "command_created");
  if (created === undefined) return [];
  const person = created.actor ?? "somebody";
  const proposed = entries.some((entry) => entry.eventType === "tool_call_proposed");
  return [line(created, proposed ? `The agent asked, for ${person}` : `${person} asked`)];
}

/** Policies that simply allow are one line together; one that does not gets a line with its reason. */
function allowed(entries: readonly RecordEntry[]): readonly StoryLine[] {
  const judged = entries.filter((entry) => entry.eventType === "policy_evaluated");
  const strict = judged.filter((entry) => said(entry, "decision") !== "allow");
  const lines = strict.map((entry) => line(entry, withFacts(entry)));
  const first = judged.find((entry) => said(entry, "decision") === "allow");
  if (first === undefined) return lines;
  const names = judged
    .filter((entry) => !strict.includes(entry))
    .map((entry) => policyTitle(said(entry, "policy") ?? entry.title).toLowerCase());
  return [line(first, `Allowed by: ${names.join(", ")}`), ...lines];
}

/** The question while nobody has answered it, the answer afterwards. */
function decided(entries: readonly RecordEntry[]): readonly StoryLine[] {
  const answers = entries.filter((entry) => entry.eventType === "approval_resolved");
  if (answers.length > 0) return answers.map((entry) => line(entry, answerOf(entry)));
  const question = entries.findLast((entry) => entry.eventType === "approval_requested");
  return question === undefined ? [] : [line(question, withFacts(question))];
}

/** "ada approved: “for the fair”"; a question that simply ended keeps the words of the entry. */
function answerOf(entry: RecordEntry): string {
  const decision = said(entry, "decision");
  const person = said(entry, "decided_by");
  if (person === null || (decision !== "approved" && decision !== "rejected")) {
    return withFacts(entry);
  }
  const reason = said(entry, "reason");
  return `${person} ${decision}${reason === null ? "" : `: “${reason}”`}`;
}

const OUTCOMES = new Set(["artifact_created", "task_succeeded", "task_failed", "agent_completed"]);
const ENDS = /^(failed|cancelled|expired|compensated|dead_lettered)$/;

/** What was written and done outside, and how it ended where that is not simply well. */
function happened(entries: readonly RecordEntry[]): readonly StoryLine[] {
  const outcomes = entries.filter((entry) => OUTCOMES.has(entry.eventType) || isBadCall(entry));
  const end = entries.findLast((entry) => ENDS.test(said(entry, "to") ?? ""));
  const told = [...outcomes, ...(end === undefined ? [] : [end])];
  // Reading leaves nothing behind but the call itself.
  const call = entries.findLast((entry) => entry.eventType === "connector_called");
  if (told.length === 0 && call !== undefined) told.push(call);
  return told.map((entry) => line(entry, withFacts(entry)));
}

function isBadCall(entry: RecordEntry): boolean {
  return entry.eventType === "connector_called" && entry.tone === "bad";
}

function line(entry: RecordEntry, text: string): StoryLine {
  return { key: entry.key, kind: entry.kind, tone: entry.tone, text };
}

function withFacts(entry: RecordEntry): string {
  return entry.facts.length === 0 ? entry.title : `${entry.title}: ${entry.facts.join("; ")}`;
}

function said(entry: RecordEntry, name: string): string | null {
  if (typeof entry.payload !== "object" || entry.payload === null) return null;
  const value = (entry.payload as Json)[name];
  return typeof value === "string" && value !== "" ? value : null;
}
