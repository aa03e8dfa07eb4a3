/** The durable runtime on DBOS: the only room that imports DBOS. */
export { createDbosRuntime, type DurableRuntime, type RuntimeOptions } from "./runtime.ts";
