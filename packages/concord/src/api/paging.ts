/** Owns how a list is filtered by what was asked, and answered a page at a time (wire §2). */
import type { Concord } from "../domain/face.ts";
import { answering } from "./errors.ts";
import { commandIdOf } from "./ids.ts";

interface Found<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** The page as it is told. */
export async function listed<T, V>(
  concord: Concord,
  ask: () => Promise<Found<T>>,
  view: (item: T) => V,
): Promise<{ items: V[]; next_cursor: string | null }> {
  const { items, nextCursor } = await answering(concord, ask);
  return { items: items.map((item) => view(item)), next_cursor: nextCursor };
}

/** Fields of a query that were asked for; `command_id` is the id that it names. */
export function filterOf<
  Q extends { readonly limit: number; readonly command_id?: string | undefined },
>({
  command_id,
  ...query
}: Q): Given<Omit<Q, "command_id">> & { commandId?: ReturnType<typeof commandIdOf> } {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const command = command_id === undefined ? {} : { commandId: commandIdOf(command_id) };
  return { ...(Object.fromEntries(given) as Given<Omit<Q, "command_id">>), ...command };
}

/** Without what is undefined. */
type Given<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };
