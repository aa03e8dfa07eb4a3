/** Owns the commands on backups: snapshot takes one from a running member, restore founds a cluster from it. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { ConcordanceError } from "../../shared/error.ts";
import type { BackupFacts, ErrorBody } from "../../shared/protocol.ts";
import { BackupUnusable, readBackup, restoreBackup } from "../backup.ts";
import { DataDirectoryUnusable } from "../raft/log.ts";
import { type Call, type Command, UsageError } from "./command.ts";
import { facts, time } from "./text.ts";

const snapshot: Command = {
  name: "snapshot",
  arguments: "<file>",
  summary: "Write a backup of the whole cluster to a new file, and check it.",
  positionals: { min: 1, max: 1 },
  options: {},
  notes: [
    "Credentials in it stay encrypted: keep the encryption keys apart from it, but keep them.",
  ],
  async run(call) {
    const [path = ""] = call.positionals;
    if (existsSync(path)) throw new UsageError(`${path} exists; name a new file`);
    const draft = `${path}.part`;
    try {
      await download(call, draft);
      const about = await readBackup(draft, null);
      renameSync(draft, path);
      call.print({ ok: true, path, ...about }, () => backupText(path, about));
    } catch (error) {
      rmSync(draft, { force: true });
      throw error instanceof BackupUnusable
        ? new ConcordanceError("unexpected_answer", `the backup arrived broken: ${error.message}`)
        : error;
    }
  },
};

const restore: Command = {
  name: "restore",
  arguments: "<file>",
  summary: "Make an empty data directory the first member of a new cluster that holds a backup.",
  positionals: { min: 1, max: 1 },
  options: {
    "data-dir": {
      placeholder: "path",
      help: "The directory to make; it must be empty or missing.",
    },
    "node-id": { placeholder: "id", help: "The name of that member; n1 unless told." },
  },
  notes: [
    "Talks to no cluster. Start the member on that directory, then let others join it. The cluster is a new one: members and watchers of the old one do not mistake it.",
  ],
  isOffline: true,
  async run(call) {
    const [path = ""] = call.positionals;
    const dataDir = call.option("data-dir");
    if (dataDir === null) throw new UsageError("restore needs --data-dir=<path>");
    const nodeId = call.option("node-id") ?? "n1";
    if (!/^[\w.-]{1,64}$/.test(nodeId)) {
      throw new UsageError("--node-id needs 1 to 64 letters, digits, dots, dashes or underscores");
    }
    const [clusterId, incarnation] = [crypto.randomUUID(), crypto.randomUUID()];
    try {
      const done = await restoreBackup(path, dataDir, { nodeId, clusterId, incarnation });
      const next = `Start it: concordance --data-dir=${dataDir}\n`;
      call.print({ ok: true, dataDir, ...done }, () => backupText(path, done.facts) + next);
    } catch (error) {
      if (!(error instanceof BackupUnusable || error instanceof DataDirectoryUnusable)) throw error;
      throw new ConcordanceError("change_refused", error.message);
    }
  },
};

export const BACKUP_COMMANDS: readonly Command[] = [snapshot, restore];

/** From the first member that has one to give. */
async function download({ target }: Call, path: string): Promise<void> {
  const headers = { authorization: `Bearer ${target.apiKey}` };
  let failure = new ConcordanceError("unreachable", "There is no address to ask.");
  for (const url of target.urls) {
    try {
      const init = { headers, ...target.trust };
      const response = await fetch(`${url}/api/v1/cluster/snapshot`, init);
      if (!response.ok || response.body === null) throw await refusalOf(response);
      await keep(response.body, path);
      return;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const reached = error instanceof ConcordanceError;
      failure = reached ? error : new ConcordanceError("unreachable", `${url}: ${why}`);
    }
  }
  throw failure;
}

/** On disk when it resolves; readable by its owner only. */
async function keep(body: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    for await (const chunk of body) await file.write(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function refusalOf(response: Response): Promise<ConcordanceError> {
  const { error } = (await response.json()) as ErrorBody;
  return new ConcordanceError(error.code, error.message, error.details);
}

function backupText(path: string, about: BackupFacts): string {
  return facts([
    ["file", path],
    ["cluster", about.clusterId],
    ["revision", about.revision],
    ["as of", time(about.timeMs)],
    ["bytes", about.bytes],
    ["sha256", about.sha256],
  ]);
}
