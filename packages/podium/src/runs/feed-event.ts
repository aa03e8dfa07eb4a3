/**
 * Owns what Podium reads of an event of Concord's feed (docs/wire.md §2, "Event feed").
 * Refuses to own: transport and cursors (`upstream/concord.ts`).
 */
import { z } from "@hono/zod-openapi";

export const feedEventSchema = z.looseObject({
  event_id: z.coerce.string().min(1),
  event_type: z.string().min(1),
  command_id: z.string().min(1),
  root_command_id: z.string().min(1),
  parent_command_id: z.string().nullish(),
  tenant_id: z.string().min(1),
  task_name: z.string().nullish(),
  status: z.string().nullish(),
  payload: z.record(z.string(), z.unknown()).nullish(),
});
export type FeedEvent = z.infer<typeof feedEventSchema>;

/** The event types Podium folds; it asks the feed for no others. */
export const FOLDED_EVENT_TYPES = [
  "command_created",
  "state_transitioned",
  "tool_call_proposed",
  "approval_requested",
  "approval_resolved",
  "input_requested",
  "input_provided",
  "input_closed",
] as const;
