/** Owns the settings of the gateway as one service: what main.ts read, for every layer that needs a part of it. */
import type { ListenAddress } from "@concert/service-kit/config";
import type { Actor } from "@concert/service-kit/identity";
import type { OtlpSettings } from "@concert/service-kit/otlp-settings";
import * as Context from "effect/Context";
import type { OidcSettings } from "./auth/oidc.ts";
import type { PriceTable } from "./domain/prices.ts";

export interface FleetSettings {
  /** Where gateways hear each other: `redis://…`, `valkey://…` or `nats://…`. */
  readonly broadcastUrl: string;
  /** What keeps several fleets on one server apart. */
  readonly channel: string;
  /** Where the other gateways reach this one; null: where it listens. */
  readonly peerUrl: string | null;
  /** A gateway that says nothing for this long has lost its tenants. */
  readonly leaseMs: number;
}

export interface Settings {
  readonly listen: ListenAddress;
  readonly dataDir: string;
  readonly devMode: boolean;
  readonly devIdentity: Actor;
  /** SHA-256 of each accepted token → who it stands for. */
  readonly identities: ReadonlyMap<string, Actor>;
  /** Null when no OpenID provider vouches for anybody. */
  readonly oidc: OidcSettings | null;
  /** The client's address is what a proxy in front of us says it is. */
  readonly trustProxy: boolean;
  /** Messages that one connection may send in ten seconds. */
  readonly messagesMax: number;
  readonly allowedOrigins: readonly string[];
  readonly prices: PriceTable;
  readonly internalSecret: string;
  readonly podium: { readonly url: string; readonly key: string };
  readonly concord: { readonly url: string; readonly key: string };
  readonly concordance: { readonly url: string; readonly key: string };
  readonly ensembleUrl: string;
  /** Where results of automations may be sent. */
  readonly webhooks: {
    readonly privateRanges: readonly string[];
    readonly plainHttp: boolean;
  };
  /** What one person may ask over HTTP. */
  readonly httpRequestsPerMinute: number;
  /** Where spans go; null: nowhere. */
  readonly otlp: OtlpSettings | null;
  /** `embedded`: the data directory is the truth. `delegated`: it holds copies of what Concordance has. */
  readonly store: "embedded" | "delegated";
  /** Where in Concordance a delegated store lies. */
  readonly storeRoot: string;
  /** Null where this gateway is alone. */
  readonly fleet: FleetSettings | null;
  /** A session without a turn for this long lets go of its instance's socket. */
  readonly idleMs: number;
}

export class AppConfig extends Context.Service<AppConfig, Settings>()("diminuendo/AppConfig") {}
