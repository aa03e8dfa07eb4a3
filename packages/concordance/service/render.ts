/** Owns the JSON text of entries, changes and results. Stored values are spliced in as they are, not parsed. */
import type { StoredChange, StoredEntry } from "../shared/store.ts";
import type { ApplyResult, WriteResult } from "./fsm.ts";

type Committed = Extract<ApplyResult, { kind: "committed" }>;

/** By entry, as long as it lives: those that are read again and again are kept by the state (row-cache.ts). */
const texts = new WeakMap<StoredEntry, string>();

export function entryText(entry: StoredEntry): string {
  const before = texts.get(entry);
  if (before !== undefined) return before;
  const text = itemText(entry);
  texts.set(entry, text);
  return text;
}

export function listText(
  items: readonly StoredEntry[],
  revision: number,
  nextCursor: string | null,
) {
  const cursor = nextCursor === null ? "" : `,"nextCursor":${JSON.stringify(nextCursor)}`;
  return `{"items":[${items.map(itemText).join(",")}],"revision":${revision}${cursor}}`;
}

export function changeText(change: StoredChange): string {
  const { namespace, key, op, value, version, actor, at, revision, seq } = change;
  const who = JSON.stringify(actor);
  const unavailable = change.unavailable === true ? ',"unavailable":true' : "";
  return `{"namespace":${JSON.stringify(namespace)},"key":${JSON.stringify(key)},"value":${value ?? "null"},"version":${version},"op":"${op}","actor":${who},"updatedBy":${who},"updatedAt":${at},"revision":${revision},"seq":${seq}${unavailable}}`;
}

export function setText(entry: StoredEntry): string {
  return `{"ok":true,${entryFields(entry)}}`;
}

export function batchText({ revision, results }: Committed): string {
  return `{"ok":true,"revision":${revision},"results":[${results.map(resultText).join(",")}]}`;
}

function resultText(result: WriteResult): string {
  return result.op === "set" ? `{"op":"set",${entryFields(result.entry)}}` : JSON.stringify(result);
}

/** Of an entry that will not be seen again. */
function itemText(entry: StoredEntry): string {
  return `{${entryFields(entry)}}`;
}

function entryFields(entry: StoredEntry): string {
  const { namespace, key, value, version, updatedBy, updatedAt, expiresAt, revision } = entry;
  return `"namespace":${JSON.stringify(namespace)},"key":${JSON.stringify(key)},"value":${value},"version":${version},"updatedBy":${JSON.stringify(updatedBy)},"updatedAt":${updatedAt},"expiresAt":${expiresAt},"revision":${revision}`;
}
