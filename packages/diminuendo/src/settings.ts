/** Owns the flags and environment variables of the gateway; `--help` prints this table. */
import { readFileSync } from "node:fs";
import { parseRanges } from "@concert/concord/webhooks";
import * as config from "@concert/service-kit/config";
import type { Actor } from "@concert/service-kit/identity";
import { otlpOf, otlpSettings } from "@concert/service-kit/otlp-settings";
import * as Schema from "effect/Schema";
import type { Settings } from "./app-config.ts";
import { parseIdentity, parseTokens } from "./auth/identities.ts";
import { PriceTable } from "./domain/prices.ts";
import DEFAULT_PRICES from "./prices.json" with { type: "json" };
import { RATE_LIMIT_MESSAGES } from "./protocol/index.ts";

const { choice, integer, list, listen, secret, text, toggle, url } = config;

const readPrices = Schema.decodeUnknownSync(PriceTable);

/** May approve, may book: the one person of a development machine. */
const DEV_IDENTITY = "dev:dev-user-001:developer@example.com:owner|finance_approvers:book_travel";

/** Everybody knows it: enough among the processes of one machine, and for nothing that others can reach. */
export const DEV_INTERNAL_SECRET = "concert-dev-internal-secret";

export const SETTINGS = {
  listen: listen({
    flag: "listen",
    env: "DIMINUENDO_LISTEN",
    help: "Where to listen for HTTP and /ws.",
    default: "127.0.0.1:8080",
  }),
  dataDir: text({
    flag: "data-dir",
    env: "DIMINUENDO_DATA_DIR",
    help: "Where registries and sessions are kept; one gateway each.",
    placeholder: "folder",
    default: "./data/diminuendo",
  }),
  devMode: toggle({
    flag: "dev-mode",
    env: "DEV_MODE",
    help: "Sign everybody in as the dev identity and allow any origin.",
    default: false,
  }),
  devIdentity: identity({
    flag: "dev-identity",
    env: "DIMINUENDO_DEV_IDENTITY",
    help: "Who everybody is in dev mode.",
    default: DEV_IDENTITY,
  }),
  apiKeys: tokens({
    flag: "api-keys",
    env: "DIMINUENDO_API_KEYS",
    help: "Tokens and whom they stand for, comma-separated.",
  }),
  oidcIssuer: url({
    flag: "oidc-issuer",
    env: "OIDC_ISSUER",
    help: "OpenID provider whose RS256 tokens sign people in; without it only API keys do.",
  }),
  oidcAudience: text({
    flag: "oidc-audience",
    env: "AUTH0_AUDIENCE",
    help: "What the token's aud must name.",
    placeholder: "audience",
  }),
  tenantClaim: text({
    flag: "oidc-tenant-claim",
    env: "OIDC_TENANT_CLAIM",
    help: "Claim that names the tenant.",
    placeholder: "claim",
    default: "tenant_id",
  }),
  rolesClaim: text({
    flag: "oidc-roles-claim",
    env: "OIDC_ROLES_CLAIM",
    help: "Claim that lists roles and groups.",
    placeholder: "claim",
    default: "roles",
  }),
  permissionsClaim: text({
    flag: "oidc-permissions-claim",
    env: "OIDC_PERMISSIONS_CLAIM",
    help: "Claim that lists what the person may do outside Concert.",
    placeholder: "claim",
    default: "permissions",
  }),
  trustProxy: toggle({
    flag: "trust-proxy",
    env: "TRUST_PROXY",
    help: "Believe the last address of X-Forwarded-For; only behind a proxy that sets it.",
    default: false,
  }),
  allowedOrigins: list({
    flag: "allowed-origins",
    env: "ALLOWED_ORIGINS",
    help: "Web origins that may connect, e.g. https://console.example.com.",
    placeholder: "origin,origin",
    default: [],
  }),
  messagesMax: integer({
    flag: "messages-max",
    env: "DIMINUENDO_MESSAGES_MAX",
    help: "Messages one connection may send in 10 s; three times as many close it.",
    default: RATE_LIMIT_MESSAGES,
    min: 1,
    max: 10_000,
  }),
  prices: prices({
    flag: "price-table",
    env: "DIMINUENDO_PRICE_TABLE",
    help: "What turns cost, as JSON like src/prices.json.",
  }),
  podiumUrl: url({
    flag: "podium-url",
    env: "PODIUM_URL",
    help: "Podium.",
    default: "http://127.0.0.1:5083",
  }),
  podiumKey: secret({
    flag: "podium-api-key",
    env: "PODIUM_API_KEY",
    help: "Podium's service key.",
    default: "pod_dev",
  }),
  concordUrl: url({
    flag: "concord-url",
    env: "CONCORD_URL",
    help: "Concord.",
    default: "http://127.0.0.1:4200",
  }),
  concordKey: secret({
    flag: "concord-service-key",
    env: "CONCORD_SERVICE_KEY",
    help: "Concord's service key.",
    default: "con_dev",
  }),
  concordanceUrl: url({
    flag: "concordance-url",
    env: "CONCORDANCE_URL",
    help: "Concordance.",
    default: "http://127.0.0.1:4100",
  }),
  concordanceKey: secret({
    flag: "concordance-api-key",
    env: "CONCORDANCE_API_KEY",
    help: "Concordance's read-write key.",
    default: "dev",
  }),
  ensembleUrl: url({
    flag: "ensemble-url",
    env: "ENSEMBLE_URL",
    help: "Ensemble; asked for its health only.",
    default: "http://127.0.0.1:5180",
  }),
  httpRequestsPerMinute: integer({
    flag: "http-requests-per-minute",
    env: "DIMINUENDO_HTTP_REQUESTS_PER_MINUTE",
    help: "HTTP requests of one person in a minute; more are refused with 429 and Retry-After.",
    default: 600,
    min: 1,
    max: 1_000_000,
  }),
  ...otlpSettings("diminuendo-gateway"),
  internalSecret: secret({
    flag: "internal-secret",
    env: "CONCERT_INTERNAL_SECRET",
    help: "Signs who acts, towards the other services; at least 16 characters.",
    default: DEV_INTERNAL_SECRET,
  }),
  store: choice({
    flag: "store",
    env: "DIMINUENDO_STORE",
    help: "Who keeps sessions: this directory, or Concordance with copies in this directory.",
    choices: ["embedded", "delegated"],
    default: "embedded",
  }),
  broadcast: broadcastUrl({
    flag: "broadcast",
    env: "DIMINUENDO_BROADCAST",
    help: "Where several gateways over the same data hear each other; without it this one is alone.",
  }),
  broadcastChannel: text({
    flag: "broadcast-channel",
    env: "DIMINUENDO_BROADCAST_CHANNEL",
    help: "The fleet's name: keeps several fleets apart that share a server.",
    placeholder: "name",
    default: "diminuendo",
  }),
  peerUrl: url({
    flag: "peer-url",
    env: "DIMINUENDO_PEER_URL",
    help: "Where the other gateways reach this one; where it listens, unless told.",
  }),
  leaseSeconds: integer({
    flag: "lease-seconds",
    env: "DIMINUENDO_LEASE_SECONDS",
    help: "A gateway of several that says nothing for this long has lost its tenants.",
    default: 6,
    min: 2,
    max: 60,
  }),
  webhookPrivateRanges: ranges({
    flag: "webhook-private-ranges",
    env: "DIMINUENDO_WEBHOOK_PRIVATE_RANGES",
    help: "Private addresses that automations may send webhooks to all the same; by default only public ones.",
  }),
  webhookPlainHttp: toggle({
    flag: "webhook-plain-http",
    env: "DIMINUENDO_WEBHOOK_PLAIN_HTTP",
    help: "Whether automations may send webhooks without TLS.",
    default: false,
  }),
  idleMinutes: integer({
    flag: "idle-minutes",
    env: "DIMINUENDO_IDLE_MINUTES",
    help: "A session without a turn for this long lets go of its agent instance.",
    default: 10,
    min: 1,
    max: 1_440,
  }),
} as const;

export function settingsOf(read: config.Settings<typeof SETTINGS>): Settings {
  return {
    listen: read.listen,
    dataDir: read.dataDir,
    devMode: read.devMode,
    devIdentity: read.devIdentity,
    identities: read.apiKeys,
    oidc: oidcOf(read),
    trustProxy: read.trustProxy,
    messagesMax: read.messagesMax,
    allowedOrigins: read.allowedOrigins,
    prices: read.prices,
    internalSecret: read.internalSecret,
    httpRequestsPerMinute: read.httpRequestsPerMinute,
    otlp: otlpOf(read),
    podium: { url: read.podiumUrl, key: read.podiumKey },
    concord: { url: read.concordUrl, key: read.concordKey },
    concordance: { url: read.concordanceUrl, key: read.concordanceKey },
    ensembleUrl: read.ensembleUrl,
    webhooks: { privateRanges: read.webhookPrivateRanges, plainHttp: read.webhookPlainHttp },
    store: read.store,
    storeRoot: `gateways/${read.broadcastChannel}/store`,
    fleet: fleetOf(read),
    idleMs: read.idleMinutes * 60_000,
  };
}

function fleetOf(read: config.Settings<typeof SETTINGS>): Settings["fleet"] {
  if (read.broadcast === undefined) return null;
  return {
    broadcastUrl: read.broadcast,
    channel: read.broadcastChannel,
    peerUrl: read.peerUrl ?? null,
    leaseMs: read.leaseSeconds * 1_000,
  };
}

function oidcOf(read: config.Settings<typeof SETTINGS>): Settings["oidc"] {
  if (read.oidcIssuer === undefined) return null;
  const { tenantClaim: tenant, rolesClaim: roles, permissionsClaim: permissions } = read;
  const claims = { tenant, roles, permissions };
  return { issuer: read.oidcIssuer, audience: read.oidcAudience, claims };
}

interface Named {
  readonly flag: string;
  readonly env: string;
  readonly help: string;
}

function identity(spec: Named & { readonly default: string }): config.Setting<Actor> {
  return {
    ...spec,
    placeholder: "tenant:user:email:role|role:perm|perm",
    defaultText: spec.default,
    defaultValue: parseIdentity(spec.default),
    parse: parseIdentity,
  };
}

const ENGINE_URL = /^(rediss?|valkeys?|nats|tls):\/\/[^/\s]+/;

/** May hold a password. */
function broadcastUrl(spec: Named): config.Setting<string | undefined> {
  return {
    ...spec,
    placeholder: "redis://…|nats://…",
    secret: true,
    defaultValue: undefined,
    parse: (value) => {
      if (ENGINE_URL.test(value)) return value;
      throw new config.SettingError(
        "needs redis://host:port, valkey://host:port or nats://host:port (rediss, valkeys, tls with TLS)",
      );
    },
  };
}

function prices(spec: Named): config.Setting<PriceTable> {
  return {
    ...spec,
    placeholder: "file",
    defaultText: "the built-in table",
    defaultValue: readPrices(DEFAULT_PRICES),
    parse: (path) => {
      try {
        return readPrices(JSON.parse(readFileSync(path, "utf8")));
      } catch (error) {
        throw new config.SettingError(`names no readable price table: ${String(error)}`);
      }
    },
  };
}

/** Address ranges, by commas. */
function ranges(spec: Named): config.Setting<readonly string[]> {
  const all = config.list({ ...spec, placeholder: "10.1.0.0/16,…", default: [] });
  return {
    ...all,
    parse: (value) => {
      const texts = all.parse(value);
      try {
        parseRanges(texts);
      } catch (error) {
        throw new config.SettingError(error instanceof Error ? error.message : String(error));
      }
      return texts;
    },
  };
}

function tokens(spec: Named): config.Setting<ReadonlyMap<string, Actor>> {
  return {
    ...spec,
    placeholder: "key=tenant:user:email:roles:perms,…",
    secret: true,
    defaultValue: new Map(),
    parse: (value) =>
      parseTokens(
        value
          .split(",")
          .map((item) => item.trim())
          .filter(Boolean),
      ),
  };
}
