/**
 * Owns which settings there are: one table that `--help` prints and config.ts reads by. Refuses to own: what
 * values are accepted (config.ts).
 */
import { LIMITS } from "../shared/types.ts";

export interface Row {
  readonly flag: string;
  readonly env: string;
  readonly placeholder: string;
  readonly help: string;
  readonly fallback: string;
  /** Shown by `--help` instead of the fallback. */
  readonly fallbackText?: string;
}

export const TABLE = [
  {
    flag: "node-id",
    env: "CONCORDANCE_NODE_ID",
    placeholder: "id",
    help: "Name of this member; fixed once a data directory has one.",
    fallback: "",
    fallbackText: "the data directory's, or node-<pid> in a new one",
  },
  {
    flag: "listen",
    env: "CONCORDANCE_LISTEN",
    placeholder: "host:port",
    help: "Address for HTTP and WebSocket; port 0 takes a free one.",
    fallback: "127.0.0.1:4100",
  },
  {
    flag: "data-dir",
    env: "CONCORDANCE_DATA_DIR",
    placeholder: "path",
    help: "Holds raft.db and state.db; one process at a time.",
    fallback: "./data",
  },
  {
    flag: "bootstrap",
    env: "CONCORDANCE_BOOTSTRAP",
    placeholder: "true|false",
    help: "Make a new data directory the first member of a new cluster; an existing one is kept.",
    fallback: "false",
  },
  {
    flag: "join",
    env: "CONCORDANCE_JOIN",
    placeholder: "host:port",
    help: "Any member of the cluster that a new data directory joins; ignored by a member.",
    fallback: "",
    fallbackText: "none",
  },
  {
    flag: "advertise",
    env: "CONCORDANCE_ADVERTISE",
    placeholder: "host:port",
    help: "Address at which other members and clients reach this one.",
    fallback: "",
    fallbackText: "where it listens",
  },
  {
    flag: "compact-entries",
    env: "CONCORDANCE_COMPACT_ENTRIES",
    placeholder: "count",
    help: "Applied log entries after which the log is compacted; a tenth is kept for slow members.",
    fallback: "10000",
  },
  {
    flag: "engine",
    env: "CONCORDANCE_ENGINE",
    placeholder: "raft|valkey://host:port/db",
    help: "What keeps the data: this program, or a Valkey 7.2 or Redis 7 server (Unison; also redis, and valkeys or rediss for TLS).",
    fallback: "raft",
  },
  {
    flag: "api-key",
    env: "CONCORDANCE_API_KEY",
    placeholder: "secret",
    help: "Key that reads and writes.",
    fallback: "dev",
    fallbackText: "dev, on loopback only",
  },
  {
    flag: "agent-key",
    env: "CONCORDANCE_AGENT_API_KEY",
    placeholder: "secret",
    help: "Key that only reads.",
    fallback: "dev-agent",
    fallbackText: "dev-agent, on loopback only",
  },
  {
    flag: "encryption-key",
    env: "CONCORDANCE_ENCRYPTION_KEY",
    placeholder: "base64",
    help: "Encrypts credentials at rest: 32 bytes, the same on every member. Better given by environment.",
    fallback: "",
    fallbackText: "one made in the data directory, with development keys only",
  },
  {
    flag: "encryption-key-file",
    env: "CONCORDANCE_ENCRYPTION_KEY_FILE",
    placeholder: "path",
    help: "A ring of such keys, one a line: the first encrypts, all decrypt.",
    fallback: "",
    fallbackText: "none",
  },
  {
    flag: "tls-cert",
    env: "CONCORDANCE_TLS_CERT",
    placeholder: "path",
    help: "PEM certificate chain: serves TLS only, to clients and to other members.",
    fallback: "",
    fallbackText: "none, in the clear",
  },
  {
    flag: "tls-key",
    env: "CONCORDANCE_TLS_KEY",
    placeholder: "path",
    help: "Its PEM private key.",
    fallback: "",
    fallbackText: "none",
  },
  {
    flag: "tls-peer-ca",
    env: "CONCORDANCE_TLS_PEER_CA",
    placeholder: "path",
    help: "PEM CA of the members: both sides of each connection between them must show its certificate.",
    fallback: "",
    fallbackText: "the system's, for members that are dialled",
  },
  {
    flag: "value-bytes-max",
    env: "CONCORDANCE_VALUE_BYTES_MAX",
    placeholder: "bytes",
    help: "Largest value, as JSON.",
    fallback: String(LIMITS.valueBytesMax),
  },
  {
    flag: "tenant-keys-max",
    env: "CONCORDANCE_TENANT_KEYS_MAX",
    placeholder: "count",
    help: "Entries one tenant may hold; beyond, only what deletes or shrinks is taken.",
    fallback: "1000000",
  },
  {
    flag: "tenant-bytes-max",
    env: "CONCORDANCE_TENANT_BYTES_MAX",
    placeholder: "bytes",
    help: "Names and values one tenant may hold together; beyond, as above.",
    fallback: "1073741824",
  },
] as const satisfies readonly Row[];
export type Flag = (typeof TABLE)[number]["flag"];

/** The text of `--help`. */
export function helpText(): string {
  const rows: readonly Row[] = TABLE;
  const left = ({ flag, placeholder }: Row) => `  --${flag}=<${placeholder}>`;
  const width = Math.max(...rows.map((row) => left(row).length)) + 2;
  const lines = rows.map((row) => {
    const facts = `(env ${row.env}; default ${row.fallbackText ?? row.fallback})`;
    return `${left(row).padEnd(width)}${row.help} ${facts}`;
  });
  const help = `${"  --help".padEnd(width)}Print this and exit.`;
  const head = "concordance: linearizable, watchable configuration on Raft and SQLite.";
  const order = "Settings (flag wins over environment, environment over default):";
  return `${head}\n\n${order}\n${[...lines, help].join("\n")}\n`;
}
