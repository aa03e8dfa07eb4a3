/** The durable runtime in memory: what it does not promise is in runtime.ts. */
export { type Clock, type ManualClock, manualClock, SYSTEM_CLOCK } from "./clock.ts";
export type { Ground } from "./ground.ts";
export {
  createMemoryRuntime,
  type MemoryOptions,
  type MemoryRuntime,
  memoryOverPostgres,
} from "./runtime.ts";
