/** Owns `GET /metrics`: Prometheus text, from numbers the other rooms keep. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Usage } from "../shared/ledger.ts";
import type { ClusterStatus } from "../shared/protocol.ts";
import type { Position } from "../shared/store.ts";
import type { DriverStats } from "./raft/driver.ts";

/** What every process has, whichever engine stands behind it. */
export interface SurfaceSources {
  readonly ready: boolean;
  readonly revision: number;
  readonly sockets: number;
  readonly subscriptions: number;
  /** Requests that wait for a change. */
  readonly waiting: number;
  /** The key that seals credentials, or null. */
  readonly keyId: string | null;
  /** Requests answered, by status code. */
  readonly requests: ReadonlyMap<number, number>;
}
/** What a member of a Raft group has beside that. */
export interface MemberSources {
  readonly status: ClusterStatus;
  readonly position: Position;
  readonly driver: DriverStats;
  readonly droppedMessages: number;
  /** The tenants that hold most. */
  readonly tenants: readonly (Usage & { readonly root: string })[];
}
/** How many tenants are named: labels must not grow with them. */
export const TENANTS_SHOWN = 20;
const STALL_RESOLUTION_MS = 10;
const NANOSECONDS = 1e9;
const stalls = monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MS });
stalls.enable();

export function surfaceMetrics(from: SurfaceSources): string {
  const requests = [...from.requests].map(
    ([code, count]) => [`{status="${code}"}`, count] as const,
  );
  const watched = "Watched namespaces over all sockets.";
  return [
    family("ready", "gauge", "1 when reads and writes are served.", from.ready ? 1 : 0),
    family("revision", "gauge", "Revision of the latest change.", from.revision),
    family("stream_sockets", "gauge", "Open /stream sockets.", from.sockets),
    family("stream_subscriptions", "gauge", watched, from.subscriptions),
    family("changes_waiting", "gauge", "Requests that wait for a change.", from.waiting),
    family("http_requests_total", "counter", "Requests answered.", requests),
    family(
      "encryption_key_info",
      "gauge",
      "The key that seals credentials; none when this process has no key.",
      from.keyId === null ? [] : [[`{key_id="${from.keyId}"}`, 1]],
    ),
    family(
      "event_loop_longest_stall_seconds",
      "gauge",
      "Longest time nothing else could run, since start (pitfall 40).",
      stalls.max / NANOSECONDS,
    ),
    family("resident_memory_bytes", "gauge", "Memory in use.", process.memoryUsage.rss()),
  ].join("");
}

/** What a Unison process has beside that. */
export interface StoreSources {
  readonly isConnected: boolean;
  readonly connections: number;
  readonly writesWaiting: number;
}

export function storeMetrics({ isConnected, connections, writesWaiting }: StoreSources): string {
  return [
    family("store_connected", "gauge", "1 while the store is connected.", isConnected ? 1 : 0),
    family("store_connections_total", "counter", "Times the store was connected.", connections),
    family("store_writes_waiting", "gauge", "Writes the store has not answered.", writesWaiting),
  ].join("");
}

export function memberMetrics({
  status,
  position,
  driver,
  droppedMessages,
  tenants,
}: MemberSources): string {
  const byTenant = (figure: "keys" | "bytes") =>
    tenants.map((one) => [`{tenant="${labelOf(one.root)}"}`, one[figure]] as const);
  return [
    family("raft_term", "gauge", "Current term.", status.term),
    family("raft_is_leader", "gauge", "1 at the leader.", status.role === "leader" ? 1 : 0),
    family("raft_commit_index", "gauge", "Highest committed log index.", status.commitIndex),
    family("raft_applied_index", "gauge", "Highest applied log index.", status.appliedIndex),
    family("raft_proposals_total", "counter", "Commands appended as leader.", driver.proposals),
    family("raft_syncs_total", "counter", "Synced log transactions.", driver.syncs),
    family("raft_terms_total", "counter", "Terms entered since start.", driver.elections),
    family("raft_compactions_total", "counter", "Times the log was cut.", driver.compactions),
    family("raft_installs_total", "counter", "States received from a leader.", driver.installs),
    family(
      "raft_dropped_messages_total",
      "counter",
      "Messages to peers not sent for want of a connection with room.",
      droppedMessages,
    ),
    family(
      "raft_longest_stall_seconds",
      "gauge",
      "Longest time the node spent writing and applying without a pause, since start.",
      driver.longestStallMs / 1_000,
    ),
    family(
      "compacted_revision",
      "gauge",
      "Changes up to here are gone.",
      position.compactedRevision,
    ),
    family("changes_bytes", "gauge", "Weight of the retained change log.", position.changesBytes),
    family("tenant_keys", "gauge", "Entries of the largest tenants.", byTenant("keys")),
    family("tenant_bytes", "gauge", "What the largest tenants hold.", byTenant("bytes")),
  ].join("");
}

/** As the text format wants label values. */
function labelOf(text: string): string {
  return text.replace(/[\\"]/g, "\\$&");
}

type Samples = number | readonly (readonly [labels: string, value: number])[];

function family(name: string, type: "gauge" | "counter", help: string, samples: Samples): string {
  const full = `concordance_${name}`;
  const rows = typeof samples === "number" ? [["", samples] as const] : samples;
  const lines = rows.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}
