/** Owns how views reach the gateway and what it knows. */
import { createContext, useContext } from "react";
import { useStore } from "zustand";
import type { Gateway } from "./Gateway.ts";
import type { GatewayState } from "./gateway-state.ts";

export const GatewayContext = createContext<Gateway | null>(null);

export function useGateway(): Gateway {
  const gateway = useContext(GatewayContext);
  if (gateway === null) throw new Error("useGateway needs a GatewayContext above it");
  return gateway;
}

/** Draws again only when the selected part changes. */
export function useGatewayState<T>(select: (state: GatewayState) => T): T {
  return useStore(useGateway().store, select);
}
