/**
 * Owns opening a data directory: whose it is, whether its two files belong together, and how a fresh one
 * becomes a member. Throws `DataDirectoryUnusable` and changes nothing when in doubt.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DataDirectoryUnusable, type Identity, RaftLog } from "./raft/log.ts";
import { foundedBy, NOBODY } from "./raft/membership.ts";
import { nodeId } from "./raft/types.ts";
import { finishReplacement, StateFile } from "./state-file.ts";

export interface OpenMember {
  readonly identity: Identity;
  readonly log: RaftLog;
  readonly state: StateFile;
  close(): void;
}
export interface OpenOptions {
  readonly dataDir: string;
  readonly nodeId: string | null;
  readonly bootstrap: boolean;
  /** The cluster to join with a new directory, or null. */
  readonly joinClusterId: string | null;
  /** Used only for a new directory. */
  readonly fresh: {
    readonly clusterId: string;
    readonly nodeId: string;
    readonly incarnation: string;
  };
}

/** Files of transfers that did not finish; they are of no use to anyone. */
export const TRANSFER_PREFIX = "transfer-";

/** Whether the directory already belongs to a member. */
export function isClaimed(dataDir: string): boolean {
  return existsSync(join(dataDir, "raft.db"));
}

export function openMember(options: OpenOptions): OpenMember {
  const { dataDir } = options;
  const raftPath = join(dataDir, "raft.db");
  const statePath = join(dataDir, "state.db");
  assertMayOpen(options, raftPath, statePath);
  const log = new RaftLog(raftPath);
  const identity = log.identity() ?? claimed(log, options);
  if (options.nodeId !== null && options.nodeId !== identity.nodeId) {
    throw new DataDirectoryUnusable(
      `${dataDir} belongs to node "${identity.nodeId}", not "${options.nodeId}"; drop --node-id or choose another --data-dir`,
    );
  }
  const { installing } = log.base();
  if (installing !== null) {
    finishReplacement(statePath, installing);
    log.installed();
  }
  removeLeftovers(dataDir);
  const state = new StateFile(statePath, identity.clusterId);
  const close = () => {
    state.close();
    log.close();
  };
  return { identity, log, state, close };
}

/** Refuses before a file is made: a wiped log must not come back under an old name (pitfall 5). */
function assertMayOpen(options: OpenOptions, raftPath: string, statePath: string): void {
  const { dataDir } = options;
  if (existsSync(raftPath)) return;
  if (existsSync(statePath)) {
    throw new DataDirectoryUnusable(
      `${dataDir} holds state.db but no raft.db: the log was lost. Restore both from one backup, or start in an empty directory`,
    );
  }
  if (!options.bootstrap && options.joinClusterId === null) throw needsPurpose(dataDir);
  mkdirSync(dataDir, { recursive: true });
}

/** A founder votes from the start; one that joins is nobody until the cluster says otherwise. */
function claimed(log: RaftLog, options: OpenOptions): Identity {
  const { bootstrap, joinClusterId, dataDir, fresh } = options;
  if (!bootstrap && joinClusterId === null) throw needsPurpose(dataDir);
  const id = nodeId(options.nodeId ?? fresh.nodeId);
  const clusterId = joinClusterId ?? fresh.clusterId;
  const identity = { clusterId, nodeId: id, incarnation: fresh.incarnation };
  log.claim(identity, joinClusterId === null ? foundedBy([id], fresh.incarnation) : NOBODY);
  return identity;
}

function removeLeftovers(dataDir: string): void {
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith(TRANSFER_PREFIX)) rmSync(join(dataDir, name), { force: true });
  }
}

function needsPurpose(dataDir: string): DataDirectoryUnusable {
  return new DataDirectoryUnusable(
    `${dataDir} holds no member yet. To start a new cluster there, add --bootstrap; to join one, add --join=host:port of any member; to use an existing one, point --data-dir at it`,
  );
}
