/**
 * Owns what a service inherits: the caller's environment without Concert's own settings and keys, then
 * exactly the keys and addresses its row of the table names. A service never holds a key it has no use for.
 */
import { KEY_ENV_NAMES } from "./secrets.ts";
import { SERVICES, type ServiceRow, type StackFacts } from "./services.ts";

/** Addresses and roles the table decides; an inherited value would contradict it. */
const DECIDED_HERE: readonly string[] = [
  ...KEY_ENV_NAMES,
  ...SERVICES.map(({ listenEnv }) => listenEnv),
  "DATABASE_URL",
  "CONCORDANCE_URL",
  "CONCORD_URL",
  "ENSEMBLE_URL",
  "PODIUM_URL",
  "HOTEL_VENDOR_URL",
  "CONCERT_SUPERVISED",
];

/** What signs webhooks, and which service alone signs with it. */
const SIGNING = [
  { prefix: "CONCORD_WEBHOOK_", by: "concord" },
  { prefix: "DIMINUENDO_WEBHOOK_", by: "diminuendo" },
] as const;

type Env = Readonly<Record<string, string | undefined>>;

export function environmentFor(row: ServiceRow, facts: StackFacts, inherited: Env) {
  const kept = Object.entries(inherited).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !DECIDED_HERE.includes(entry[0]) &&
      SIGNING.every(({ prefix, by }) => row.name === by || !entry[0].startsWith(prefix)),
  );
  return { ...row.defaults, ...Object.fromEntries(kept), ...row.env(facts) };
}
