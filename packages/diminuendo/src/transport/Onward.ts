/** Owns the port through which what is published here reaches the clients of other gateways. Alone, there are none. */
import * as Context from "effect/Context";
import type { Role } from "../protocol/index.ts";
import type { Published } from "./Broadcaster.ts";

export interface Onward {
  readonly session: (sessionId: string, events: readonly Published[]) => void;
  /** To all of the tenant but the connection `origin`, which may be at another gateway. */
  readonly tenant: (tenantId: string, text: string, origin: string | null) => void;
  readonly sessionEnded: (sessionId: string) => void;
  /** Somebody has another role from now on; null: is no member any more. */
  readonly role: (tenantId: string, userId: string, role: Role | null) => void;
}

export const Onward = Context.Reference<Onward>("diminuendo/transport/Onward", {
  defaultValue: () => ({
    session: () => {},
    tenant: () => {},
    sessionEnded: () => {},
    role: () => {},
  }),
});
