/** The durable runtime on Restate: the only room that imports Restate. */
export { createRestateRuntime, type RestateOptions } from "./runtime.ts";
