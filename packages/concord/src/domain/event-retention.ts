/**
 * Owns for how long events are kept (AUD-10): by purpose, and by type of command where that says otherwise; and forgetting
 * them, which is itself on record. Refuses to own: finding them, and what stays of them (postgres).
 */
import type { JsonObject } from "../core/json.ts";
import type { EventPurpose } from "../core/vocabulary.ts";
import type { Kit } from "./kit.ts";
import type { Store } from "./store.ts";

export interface EventRetention {
  readonly purpose: EventPurpose;
  /** Only of commands of this type; it stands over what is said of the purpose alone. */
  readonly commandType?: string;
  readonly days: number;
}

/** The moment before which events have had their time. */
export interface ForgetRule {
  readonly purpose: EventPurpose;
  readonly commandType: string | null;
  readonly before: Date;
}

const DAY_MS = 86_400_000;

export function forgetRules(
  retentions: readonly EventRetention[],
  nowMs: number,
): readonly ForgetRule[] {
  return retentions.map(({ purpose, commandType = null, days }) => ({
    purpose,
    commandType,
    before: new Date(nowMs - days * DAY_MS),
  }));
}

export interface Forgotten {
  readonly count: number;
  /** The digest of the digests that stay, hexadecimal; null when nothing was forgotten. */
  readonly content: string | null;
}

export interface RetentionRepository {
  /** Forgets those of `eventIds` that are sealed. What was forgotten has to go on record in the same transaction. */
  forget(eventIds: readonly string[], batch: string): Promise<Forgotten>;
}

interface Forgetting {
  readonly tenant: string;
  readonly traceId: string;
  readonly rules: readonly ForgetRule[];
}

/** Each page, with the event that says so, in a commit of its own. */
export async function forgetEvents(
  store: Store,
  kit: Kit,
  { tenant: tenantId, traceId, rules }: Forgetting,
  pages: AsyncIterable<readonly string[]>,
): Promise<JsonObject> {
  const told = rules.map(({ purpose, commandType, before }) => ({
    purpose,
    command_type: commandType,
    before: before.toISOString(),
  }));
  const nobody = { commandId: null, rootCommandId: null, parentCommandId: null, taskName: null };
  let forgotten = 0;
  for await (const eventIds of pages) {
    if (eventIds.length === 0) continue;
    forgotten += await store.transaction(async (tx) => {
      const batch = kit.newId();
      const { count, content } = await tx.retention.forget(eventIds, batch);
      if (count === 0) return 0;
      const payload = { batch, count, content, rules: told };
      const said = { eventType: "record_forgotten", actor: "concord", payload } as const;
      await tx.events.append([{ tenantId, traceId, ...nobody, ...said }]);
      return count;
    });
  }
  return { forgotten };
}
