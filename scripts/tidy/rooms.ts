/**
 * The house plan as data: which room is where, what it may import, and what the pure rooms may not touch.
 * ARCHITECTURE.md explains it; this table enforces it. An exemption is a line here with its reason.
 */

export interface Room {
  /** Folder from the root; the longest matching room owns a file. */
  readonly path: string;
  /** Rooms (paths) a file in this room may import, besides its own; `*` allows any room of the same package. */
  readonly rooms: readonly string[];
  /** Packages it may import; `undefined` leaves that to the package's manifest. */
  readonly packages?: readonly string[];
  /** Of the rooms that it may import: what it may not, by the beginning of its path, and why. A type is no use of it. */
  readonly never?: readonly string[];
  readonly why?: string;
  /** A pure room sees no clock, randomness, I/O, timer or process. */
  readonly pure?: true;
}

const CONCORD = "packages/concord/src";
const DIM = "packages/diminuendo/src";

export const ROOMS: readonly Room[] = [
  {
    path: "packages/concordance/service/raft",
    rooms: ["packages/concordance/shared"],
    packages: ["bun:sqlite", "node:fs", "node:path", "bun"],
  },
  { path: "packages/concordance/service", rooms: ["*"], packages: ["bun:sqlite", "bun", "node:*"] },
  { path: "packages/concordance/shared", rooms: [], packages: ["bun:sqlite"] },

  // Ajv compiles JSON Schemas to functions: pure.
  { path: `${CONCORD}/core`, rooms: [], packages: ["ajv", "ajv-formats"], pure: true },
  // The port to the durable runtime: types and vocabulary only (BND-6).
  { path: `${CONCORD}/runtime/protocol`, rooms: [`${CONCORD}/core`], packages: [], pure: true },
  { path: `${CONCORD}/domain`, rooms: [`${CONCORD}/core`, `${CONCORD}/runtime/protocol`] },
  {
    path: `${CONCORD}/registry`,
    rooms: [`${CONCORD}/core`, `${CONCORD}/domain`, `${CONCORD}/runtime/protocol`],
  },
  {
    path: `${CONCORD}/runtime`,
    // The transaction of a step is opened here and handed to the repositories.
    rooms: [`${CONCORD}/core`, `${CONCORD}/domain`, `${CONCORD}/registry`, `${CONCORD}/postgres`],
  },
  {
    path: `${CONCORD}/postgres`,
    rooms: [
      `${CONCORD}/core`,
      `${CONCORD}/domain`,
      `${CONCORD}/evidence`,
      `${CONCORD}/runtime/protocol`,
    ],
  },
  // Checked where there is no Concord: it knows nothing but its own file.
  {
    path: `${CONCORD}/evidence`,
    rooms: [`${CONCORD}/core`],
    packages: ["node:crypto"],
    pure: true,
  },
  // Where the versioned registry of the domain will be: it knows nothing of what is registered.
  { path: `${CONCORD}/registry/kernel`, rooms: [`${CONCORD}/core`] },
  { path: `${CONCORD}/adapters`, rooms: [`${CONCORD}/core`, `${CONCORD}/domain`] },
  {
    path: `${CONCORD}/adapters/connectors`,
    rooms: [`${CONCORD}/core`, `${CONCORD}/domain`],
    never: [
      `${CONCORD}/core/policy.ts`,
      `${CONCORD}/core/policies.ts`,
      `${CONCORD}/domain/policy-`,
    ],
    why: "a connector judges nothing (CON-3)",
  },
  {
    path: `${CONCORD}/api`,
    rooms: [`${CONCORD}/core`, `${CONCORD}/domain`, `${CONCORD}/registry`],
  },
  { path: CONCORD, rooms: ["*"] },

  { path: `${DIM}/protocol`, rooms: [], packages: ["effect"] },
  { path: `${DIM}/domain`, rooms: [`${DIM}/protocol`], packages: ["effect"], pure: true },
  // What a tick, a definition and an ending mean, apart from when and where.
  {
    path: `${DIM}/automations/core`,
    // The shapes of what is kept, beside the protocol.
    rooms: ["*"],
    packages: ["@concert/service-kit/tenant-variable", "croner", "effect", "node:crypto"],
    pure: true,
  },
  { path: DIM, rooms: ["*"] },

  {
    path: "packages/console/src/app",
    rooms: ["packages/console/src/features", "packages/console/src/ui", "packages/console/src/lib"],
  },
  {
    path: "packages/console/src/features",
    rooms: ["packages/console/src/ui", "packages/console/src/lib"],
  },
  { path: "packages/console/src/ui", rooms: ["packages/console/src/lib"] },
  { path: "packages/console/src/lib", rooms: [] },
];

/** Packages that only one room may import. */
export const SOLE_IMPORTERS: readonly {
  readonly package: RegExp;
  readonly room: string;
  /** Besides the room. */
  readonly also?: readonly string[];
  readonly reason: string;
}[] = [
  {
    package: /^@dbos-inc\//,
    room: `${CONCORD}/runtime/dbos`,
    // What Concord adds is measured against DBOS alone.
    also: ["bench/concord/bare"],
    reason: "the durable runtime is replaceable (spec §41)",
  },
  {
    package: /^(kysely|node-pg-migrate)$/,
    room: `${CONCORD}/postgres`,
    reason: "all SQL lives in one room",
  },
  {
    package: /^@restatedev\//,
    room: `${CONCORD}/runtime/restate`,
    reason: "the durable runtime is replaceable (spec §41)",
  },
];

/** What a pure room may not name, and what to do instead. */
export const BANNED_IN_PURE: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\)/, instead: "take the time as an argument" },
  {
    pattern: /\bMath\.random\(|\bcrypto\.(?:randomUUID|getRandomValues)\b|\brandomUUID\(/,
    instead: "take ids and randomness as arguments",
  },
  {
    pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\(/,
    instead: "return what should happen; the shell waits",
  },
  { pattern: /\bprocess\.\w/, instead: "take settings as arguments" },
  {
    pattern: /\bfetch\(|\bBun\.\w|\bfrom "node:(?!crypto")|\bfrom "bun/,
    instead: "return what should be done; the shell does I/O",
  },
];

/** Single files that are pure though their folder is not. */
export const PURE_FILES: readonly RegExp[] = [
  /^packages\/concordance\/service\/raft\/(node|types|assert|quorum|election|replication|membership)\.ts$/,
  /^packages\/diminuendo\/src\/session\/session-state\.ts$/i,
  /^packages\/ensemble\/src\/providers\/offline\/(plan|planner|slots)[^/]*\.ts$/,
  /^packages\/podium\/src\/(runs|files)\//,
];

/** Where adapters of durable runtimes are. */
export const RUNTIMES = `${CONCORD}/runtime`;
/** Where bodies of workflows are, and the files over which one is spread. */
export const WORKFLOW_ROOMS = /^packages\/concord\/src\/runtime\//;
export const WORKFLOW_FILES = /^packages\/concord\/src\/runtime\/run-command\.ts$/;
/** What a replayed body may not name (RUN-8). */
export const NOT_IN_A_WORKFLOW =
  /Date\.|new Date|Math\.random|randomUUID|setTimeout|setInterval|fetch\(|Promise\.(?:race|any|all)|\bpool\.|\bprocess\./;
