/** Owns forgetting events: one function of the database keeps their digests and removes them (migrations/0076). */
import type { ClientBase } from "pg";
import type { RetentionRepository } from "../../domain/event-retention.ts";

export function retentionRepository(client: ClientBase): RetentionRepository {
  return {
    forget: async (eventIds, batch) => {
      const { rows } = await client.query<{ forgotten: string; content: string | null }>(
        "SELECT forgotten, encode(content, 'hex') AS content FROM concord.forget_events($1, $2)",
        [eventIds, batch],
      );
      return { count: Number(rows[0]?.forgotten ?? 0), content: rows[0]?.content ?? null };
    },
  };
}
