/** A Concert stack as a library, for the demo, the whole-system tests and the benchmarks. */
export { type Addresses, freeAddresses, PortBusy } from "./addresses.ts";
export { findChromium } from "./chromium.ts";
export { AlreadyRunning, type RunState, readRunState } from "./run-lock.ts";
export type { StackKeys } from "./secrets.ts";
export { SERVICE_NAMES, type ServiceName, type ServiceUrls } from "./services.ts";
export { openStack, REPOSITORY, type Stack, type StackOptions, startStack } from "./stack.ts";
