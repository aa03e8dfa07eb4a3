/** The durable runtime on DBOS: the only room that imports DBOS. */
export { createDbosRuntime, type DbosOptions, WORKFLOW_VERSION } from "./runtime.ts";
