/** The gateway for programs written with Effect. */

export * from "./GatewayAdapter.ts";
export * from "./WebGatewayAdapter.ts";
