/**
 * Owns the arithmetic of undoing (spec §30.2, §31): what a compensation promises, in which order a chain runs,
 * which link is next, and what a vendor did beyond or below the promise. Pure.
 */
import { canonicalJson, type Json, type JsonObject } from "./json.ts";

/** What a compensation declares (CMP-2). Recorded with the effect at plan time, so that a later change shows. */
export interface CompensationManifest {
  readonly name: string;
  readonly connector: string;
  readonly operation: string;
  /** Effect types that undoing itself causes; empty for a pure compensation. */
  readonly produces: readonly string[];
  /** Each of `produces` is the declared inverse of what is undone. */
  readonly counterEffects: boolean;
  /** Compensations of the same command that have to succeed first (CMP-13). */
  readonly after: readonly string[];
}

export interface Undoable {
  /** The place of the effect in its plan. */
  readonly ordinal: number;
  readonly manifest: CompensationManifest;
}

/** Reverse order of declaration, unless `after` demands otherwise (CMP-12, CMP-13). */
export function chainOrder<T extends Undoable>(effects: readonly T[]): readonly T[] {
  const waiting = [...effects].sort((a, b) => b.ordinal - a.ordinal);
  const order: T[] = [];
  while (waiting.length > 0) {
    const open = new Set(waiting.map((one) => one.manifest.name));
    const isFree = (one: T) =>
      !one.manifest.after.some((name) => name !== one.manifest.name && open.has(name));
    // The catalog refuses cycles; should one come from an older record, reverse order still undoes everything.
    const at = Math.max(0, waiting.findIndex(isFree));
    order.push(...waiting.splice(at, 1));
  }
  return order;
}

export type LinkState = "open" | "succeeded" | "by_hand" | "skipped";

export interface Link {
  readonly name: string;
  readonly state: LinkState;
  readonly after: readonly string[];
}

export type NextLink<T extends Link> =
  | { readonly kind: "run"; readonly link: T }
  /** What it has to follow was left undone, so it must not happen either. */
  | { readonly kind: "skip"; readonly link: T; readonly because: string }
  | { readonly kind: "done" };

/** `links` in the order they run. */
export function nextLink<T extends Link>(links: readonly T[]): NextLink<T> {
  const link = links.find((one) => one.state === "open");
  if (link === undefined) return { kind: "done" };
  const because = links.find((one) => one.state === "skipped" && link.after.includes(one.name));
  return because === undefined
    ? { kind: "run", link }
    : { kind: "skip", link, because: because.name };
}

/** What happened beyond the declaration, and what was declared and did not happen (CMP-10); undefined when neither. */
export function driftOf(
  declared: readonly string[],
  emitted: readonly string[],
): { readonly unexpected: readonly string[]; readonly missing: readonly string[] } | undefined {
  const unexpected = [...new Set(emitted)].filter((one) => !declared.includes(one)).sort();
  const missing = [...new Set(declared)].filter((one) => !emitted.includes(one)).sort();
  return unexpected.length + missing.length === 0 ? undefined : { unexpected, missing };
}

/** Whether the code of today still promises what was recorded when the effect was planned. */
export function isSameManifest(
  planned: CompensationManifest,
  now: CompensationManifest | undefined,
): boolean {
  return (
    now !== undefined && canonicalJson(manifestJson(planned)) === canonicalJson(manifestJson(now))
  );
}

export function manifestJson(manifest: CompensationManifest): JsonObject {
  const { name, connector, operation, produces, counterEffects, after } = manifest;
  const lists: Record<string, Json> = { produces: [...produces].sort(), after: [...after].sort() };
  return { name, connector, operation, counterEffects, ...lists };
}

/** CAN-12: how long a success can be taken back. Times are epoch milliseconds; the last moment still counts. */
export function isWindowOpen(
  completedAtMs: number,
  windowMinutes: number | undefined,
  nowMs: number,
): boolean {
  return windowMinutes !== undefined && nowMs <= completedAtMs + windowMinutes * 60_000;
}
