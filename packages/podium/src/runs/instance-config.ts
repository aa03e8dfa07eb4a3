/** Owns what may be configured of an instance when it is created (docs/wire.md §4); other fields are ignored. */
import { z } from "@hono/zod-openapi";

export const instanceConfigSchema = z.object({
  /** A model of Ensemble; absent: Podium's default. */
  model: z.string().min(1).max(200).exactOptional(),
  temperature: z.number().min(0).max(2).exactOptional(),
  max_tokens: z.int().min(1).max(131_072).exactOptional(),
});
export type InstanceConfig = z.infer<typeof instanceConfigSchema>;
