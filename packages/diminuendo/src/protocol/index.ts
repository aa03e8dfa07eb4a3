/** The client protocol, version 1: what the gateway, the SDK and the console agree on (docs/protocol.md). */

export * from "./agent-events.ts";
export * from "./automation-messages.ts";
export * from "./automation-values.ts";
export * from "./client-messages.ts";
export * from "./codec.ts";
export * from "./config-rpc.ts";
export * from "./limits.ts";
export * from "./permissions.ts";
export * from "./server-messages.ts";
export * from "./session-events.ts";
export * from "./values.ts";
