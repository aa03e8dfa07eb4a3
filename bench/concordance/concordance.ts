/** Owns Concordance as a subject: three members of this repository's program, defaults, keys required. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, spawnMember } from "./processes.ts";
import {
  type Cluster,
  type HttpRequest,
  type Member,
  NAMESPACE,
  type Subject,
  send,
  until,
} from "./subject.ts";

/** Another checkout's program may stand in, to compare two versions of it. */
const MAIN =
  process.env["BENCH_CONCORDANCE_MAIN"] ??
  join(import.meta.dir, "../../packages/concordance/service/main.ts");
const API_KEY = "bench-key-that-reads-and-writes";
const AGENT_KEY = "bench-key-that-only-reads";
export const AUTHORIZATION = { authorization: `Bearer ${API_KEY}` };
const BASE = `/api/v1/kv/${encodeURIComponent(NAMESPACE)}`;

export const concordance: Subject = {
  name: "Concordance",
  put: (key, value) => ({
    method: "PUT",
    path: `${BASE}/${key}`,
    headers: { ...AUTHORIZATION, "content-type": "application/json" },
    body: JSON.stringify({ value }),
  }),
  get: (key, consistency) => get(`${BASE}/${key}?consistency=${consistency}`),
  list: (prefix) => get(`${BASE}?prefix=${encodeURIComponent(prefix)}`),
  start: () => ConcordanceCluster.start(),
};

interface Status {
  readonly role: string;
  readonly members: readonly { readonly voter?: boolean; readonly role?: string }[];
}

class ConcordanceCluster implements Cluster {
  readonly #folder = mkdtempSync(join(tmpdir(), "bench-concordance-"));
  readonly #ports: readonly number[];
  readonly #members = new Map<string, Member>();

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  static async start(): Promise<ConcordanceCluster> {
    const cluster = new ConcordanceCluster(await freePorts(3));
    const founder = cluster.#spawn("m1", "--bootstrap");
    await until("the founder leads", () => cluster.ready(founder));
    for (const name of ["m2", "m3"]) {
      cluster.#spawn(name, `--join=${new URL(founder.url).host}`);
    }
    await until("three voters", async () => {
      const { members } = await statusOf(founder);
      return members.length === 3 && members.every((one) => one.voter ?? one.role === "voter");
    });
    return cluster;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  async leader(): Promise<Member> {
    let found: Member | undefined;
    await until("Concordance has a leader", async () => {
      const judged = this.members.map(async (member) => {
        const status = await statusOf(member).catch(() => null);
        return status?.role === "leader" ? [member] : [];
      });
      found = (await Promise.all(judged)).flat()[0];
      return found !== undefined;
    });
    if (found === undefined) throw new Error("a leader was found");
    return found;
  }

  restart(name: string): Member {
    return this.#spawn(name);
  }

  /** A follower sends linearizable reads to the leader: knowing where that is makes it ready. */
  async ready(member: Member): Promise<boolean> {
    if (!(await fetch(`${member.url}/ready`)).ok) return false;
    const { status } = await send(member, concordance.get("none", "linearizable"));
    return status === 404 || status === 307 || status === 200;
  }

  async revision(): Promise<number> {
    const response = await send(await this.leader(), get("/api/v1/changes?since=0&limit=1"));
    if (response.status !== 410) {
      return ((await response.json()) as { revision: number }).revision;
    }
    const refusal = (await response.json()) as { error: { details: { revision: number } } };
    return refusal.error.details.revision;
  }

  async stop(): Promise<void> {
    for (const member of this.members) member.signal("SIGKILL");
    await Promise.all(this.members.map(({ ended }) => ended));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(name: string, ...flags: readonly string[]): Member {
    const port = this.#ports[["m1", "m2", "m3"].indexOf(name)];
    const dataDir = join(this.#folder, name);
    const member = spawnMember({ name, url: `http://127.0.0.1:${port}`, dataDir }, [
      process.execPath,
      MAIN,
      `--node-id=${name}`,
      `--listen=127.0.0.1:${port}`,
      `--data-dir=${dataDir}`,
      `--api-key=${API_KEY}`,
      `--agent-key=${AGENT_KEY}`,
      ...flags,
    ]);
    this.#members.set(name, member);
    return member;
  }
}

/** A figure of `GET /metrics`. */
export async function metricOf(member: Member, name: string): Promise<number> {
  const text = await (await send(member, get("/metrics"))).text();
  const found = new RegExp(`^concordance_${name} (\\S+)$`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`no metric ${name}`);
  return Number(found);
}

async function statusOf(member: Member): Promise<Status> {
  const response = await send(member, get("/api/v1/cluster/status"));
  return (await response.json()) as Status;
}

export function get(path: string): HttpRequest {
  return { method: "GET", path, headers: AUTHORIZATION, body: null };
}
