/** Owns `GET /metrics`: Prometheus text, from numbers the other rooms keep. */
import type { ClusterStatus } from "../shared/protocol.ts";
import type { Position } from "../shared/store.ts";
import type { DriverStats } from "./raft/driver.ts";

/** What every process has, whichever engine stands behind it. */
export interface SurfaceSources {
  readonly ready: boolean;
  readonly revision: number;
  readonly sockets: number;
  readonly subscriptions: number;
  /** Requests answered, by status code. */
  readonly requests: ReadonlyMap<number, number>;
}
/** What a member of a Raft group has beside that. */
export interface MemberSources {
  readonly status: ClusterStatus;
  readonly position: Position;
  readonly driver: DriverStats;
  readonly droppedMessages: number;
}

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
    family("http_requests_total", "counter", "Requests answered.", requests),
  ].join("");
}

export function memberMetrics({
  status,
  position,
  driver,
  droppedMessages,
}: MemberSources): string {
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
  ].join("");
}

type Samples = number | readonly (readonly [labels: string, value: number])[];

function family(name: string, type: "gauge" | "counter", help: string, samples: Samples): string {
  const full = `concordance_${name}`;
  const rows = typeof samples === "number" ? [["", samples] as const] : samples;
  const lines = rows.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}
