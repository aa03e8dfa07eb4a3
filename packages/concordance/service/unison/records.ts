/**
 * Owns the text forms that pass between this process and the scripts: rows, changes, and the answer to a
 * write. Lines, since no name holds a line break and JSON text has none; the value is always last. Pure.
 */
import type { AuditRow } from "../../shared/ledger.ts";
import type { StoredChange, StoredEntry } from "../../shared/store.ts";
import { KEYS_NAMESPACE } from "../../shared/types.ts";
import type { WriteCommand } from "../command.ts";
import type { EntryName } from "../engine.ts";
import type { ApplyResult, WriteResult } from "../fsm.ts";

export const nameOf = ({ namespace, key }: EntryName) => `${namespace}\n${key}`;

export function placeOf(name: string): EntryName {
  const cut = name.indexOf("\n");
  return { namespace: name.slice(0, cut), key: name.slice(cut + 1) };
}

export function entryOf({ namespace, key }: EntryName, row: string): StoredEntry {
  const [head, value] = split(row, 5);
  const [version, revision, updatedAt, expiresAt, updatedBy = ""] = head;
  return {
    namespace,
    key,
    value,
    version: Number(version),
    revision: Number(revision),
    updatedBy,
    updatedAt: Number(updatedAt),
    expiresAt: expiresAt === "" ? null : Number(expiresAt),
  };
}

/** A change, and whether it is the last one of its revision. */
export function changeOf(id: string, record: string): StoredChange & { readonly isLast: boolean } {
  const [revision, number] = id.split("-");
  const [head, value] = split(record, 8);
  const [seq, size, op, version, at, actor = "", namespace = "", key = ""] = head;
  return {
    seq: Number(seq),
    revision: Number(revision),
    namespace,
    key,
    op: op === "set" ? "set" : "delete",
    value: op === "set" ? value : null,
    version: Number(version),
    actor,
    at: Number(at),
    isLast: number === size,
  };
}

/** One row of the audit history. */
export function auditOf(record: string): AuditRow {
  const [head, key] = split(record, 9);
  const [root = "", seq, revision, at, actor = "", credential = "", op, version, namespace = ""] =
    head;
  const numbers = { seq: Number(seq), revision: Number(revision), at: Number(at) };
  const what = { op: op === "set" ? ("set" as const) : ("delete" as const), namespace, key };
  return { root, ...numbers, actor, credential, ...what, version: Number(version) };
}

/** What the write script takes after the history. */
export function writeArguments(command: WriteCommand, fingerprint: string): string[] {
  const { actor, operations, requestId = "", keyId, quota } = command;
  const key = keyId === undefined ? "" : nameOf({ namespace: KEYS_NAMESPACE, key: keyId });
  const room = quota === undefined ? ["", ""] : [String(quota.keysMax), String(quota.bytesMax)];
  const each = operations.flatMap((operation) => {
    const { op, cas } = operation;
    const condition = cas === null ? "" : String(cas);
    if (op === "delete") return [op, nameOf(operation), condition, "", "", ""];
    const { expiresAt, ttlMs, valueJson } = operation;
    return [op, nameOf(operation), condition, `${expiresAt ?? ""}`, `${ttlMs ?? ""}`, valueJson];
  });
  return [actor, requestId, fingerprint, key, ...room, ...each];
}

/** The outcome of `command`, from the answer of the write script. */
export function outcomeOf(answer: string, command: WriteCommand): ApplyResult {
  const [kind, ...lines] = answer.split("\n");
  if (kind === "reused") return { kind: "request_reused", requestId: command.requestId ?? "" };
  if (kind === "key") return { kind: "key_refused" };
  if (kind === "quota") {
    const [root = "", what, used, max] = lines;
    const facts = { used: Number(used), max: Number(max) };
    return { kind: "quota_exceeded", root, what: what === "keys" ? "keys" : "bytes", ...facts };
  }
  if (kind === "cas") {
    const operation = Number(lines[0]);
    const asked = command.operations[operation];
    if (asked === undefined) throw new Error("a condition fails for an operation that was asked");
    const { namespace, key, cas } = asked;
    const [expected, actual] = [cas ?? 0, Number(lines[1])];
    return { kind: "cas_conflict", operation, namespace, key, expected, actual };
  }
  const [revision, updatedAt, ...facts] = lines;
  const at = { revision: Number(revision), updatedAt: Number(updatedAt) };
  const results = command.operations.map((operation, position): WriteResult => {
    const [version = "", expiresAt = ""] = (facts[position] ?? "").split(" ");
    const { namespace, key } = operation;
    const name = { namespace, key, version: Number(version) };
    if (operation.op === "delete") return { op: "delete", ...name, deleted: version !== "0" };
    const expiry = expiresAt === "" ? null : Number(expiresAt);
    const written = { value: operation.valueJson, updatedBy: command.actor, expiresAt: expiry };
    return { op: "set", entry: { ...name, ...at, ...written } };
  });
  return { kind: "committed", revision: at.revision, results };
}

/** What a script answers as one flat list of names, each with what belongs to it. */
export function pairsOf(flat: readonly string[]): readonly (readonly [string, string])[] {
  return Array.from({ length: flat.length / 2 }, (_, position) => {
    return [flat[2 * position] ?? "", flat[2 * position + 1] ?? ""] as const;
  });
}

/** The first `count` lines, and all that follows them. */
function split(text: string, count: number): readonly [readonly string[], string] {
  const head: string[] = [];
  let from = 0;
  for (let line = 0; line < count; line += 1) {
    const end = text.indexOf("\n", from);
    head.push(text.slice(from, end));
    from = end + 1;
  }
  return [head, text.slice(from)];
}
