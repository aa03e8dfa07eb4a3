/** Owns how answers look to a person: aligned columns, times, shortened values. JSON output is the answer itself. */
import type { ChangeEvent, Json, KvEntry } from "../../shared/types.ts";

const VALUE_CHARS = 60;

/** Rows under a head, each column as wide as its widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return `${all.map((row) => line(row).trimEnd()).join("\n")}\n`;
}

/** Names and what they are, one a line. */
export function facts(pairs: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}\n`).join("");
}

export function entryText(entry: KvEntry): string {
  const { value, version, revision, updatedBy, updatedAt, expiresAt } = entry;
  const written = `version ${version}, revision ${revision}, by ${updatedBy} at ${time(updatedAt)}`;
  const expiry = expiresAt === null ? "" : `, expires ${time(expiresAt)}`;
  return `${JSON.stringify(value, null, 2)}\n${written}${expiry}\n`;
}

export function entriesText(items: readonly KvEntry[], revision: number): string {
  if (items.length === 0) return `Nothing there at revision ${revision}.\n`;
  const rows = items.map((entry) => [
    entry.key,
    String(entry.version),
    time(entry.updatedAt),
    entry.updatedBy,
    short(entry.value),
  ]);
  const count = `${items.length} at revision ${revision}\n`;
  return table(["KEY", "VERSION", "UPDATED", "BY", "VALUE"], rows) + count;
}

export function changeText(change: ChangeEvent): string {
  const { op, namespace, key, value, version, revision, actor, updatedAt } = change;
  const what = op === "set" ? ` = ${short(value)}` : "";
  const where = `${time(updatedAt)}  ${revision}  ${op.padEnd(6)}  ${namespace} ${key}`;
  return `${where}${what}  (version ${version}, ${actor})\n`;
}

export function time(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function short(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= VALUE_CHARS ? text : `${text.slice(0, VALUE_CHARS - 1)}…`;
}
