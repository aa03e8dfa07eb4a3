/**
 * Owns how a tool call reads in one line. Ids say nothing to people, so an id is shown as what an earlier
 * result called it, or not at all. Pure.
 */
import type { ThreadItem } from "@concert/sdk";
import { formatValue } from "../../lib/format.ts";

/** What ids stand for, by id: "Grand Hotel Miramar", or "Grand Hotel Miramar, 640.00 EUR". */
export type Subjects = ReadonlyMap<string, string>;

type Json = Readonly<Record<string, unknown>>;

const DEPTH_MAX = 3;
const ID_KEY = /(^|_)id$/;
const NAME_KEY = /(^|_)(name|title)$/;

/** Everything the results of a session have given a name. */
export function subjectsOf(items: readonly ThreadItem[]): Subjects {
  const subjects = new Map<string, string>();
  for (const item of items) {
    if (item.kind === "tool" && item.outcome.kind === "result") {
      collect(item.outcome.result, subjects, DEPTH_MAX);
    }
  }
  return subjects;
}

/** The arguments' values in one line, which people recognise sooner than names; `""` before there are any. */
export function toolSummary(args: unknown, subjects: Subjects): string {
  if (typeof args !== "object" || args === null) return "";
  return Object.entries(args)
    .map(([key, value]) => (ID_KEY.test(key) ? subjects.get(String(value)) : formatValue(value)))
    .filter((one) => one !== undefined)
    .join(" · ");
}

function collect(value: unknown, subjects: Map<string, string>, depth: number): void {
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (!Array.isArray(value)) nameIds(value as Json, subjects);
  for (const one of Object.values(value)) collect(one, subjects, depth - 1);
}

/** `hotel_id` is what `hotel_name` names; any other id beside it is about that, and about its price. */
function nameIds(value: Json, subjects: Map<string, string>): void {
  const nameKey = Object.keys(value).find((key) => NAME_KEY.test(key));
  const name = nameKey === undefined ? undefined : value[nameKey];
  if (nameKey === undefined || typeof name !== "string") return;
  const own = nameKey.replace(NAME_KEY, "$1id");
  for (const [key, id] of Object.entries(value)) {
    if (!ID_KEY.test(key) || typeof id !== "string") continue;
    subjects.set(id, key === own ? name : [name, price(value)].filter(Boolean).join(", "));
  }
}

function price(value: Json): string {
  const { total_amount: amount, currency } = value;
  return typeof amount === "number" ? `${amount.toFixed(2)} ${String(currency ?? "")}`.trim() : "";
}
