/** Owns cursors of lists about automations: the place of the last thing told, opaque to clients. */
import * as Effect from "effect/Effect";
import type { Placed } from "../../db/stored-automations.ts";
import { AUTOMATIONS_PAGE_MAX } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";

const LIMIT_DEFAULT = 50;

interface Asked {
  readonly cursor?: string;
  readonly limit?: number;
}

/** Where to read from; `place` null for the beginning. One more is read than told, to know whether there is more. */
export const pageOf = ({ cursor, limit = LIMIT_DEFAULT }: Asked) => {
  const size = Math.min(limit, AUTOMATIONS_PAGE_MAX);
  if (cursor === undefined) return Effect.succeed({ place: null, limit: size });
  return /^\d{1,15}$/.test(cursor)
    ? Effect.succeed({ place: Number(cursor), limit: size })
    : Effect.fail(refuse("INVALID_MESSAGE", "cursor is none that this list has answered."));
};

export function told<T>(found: readonly Placed<T>[], limit: number) {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const more = found.length > limit && last !== undefined ? { cursor: String(last.place) } : {};
  return { values: page.map(({ value }) => value), more };
}
