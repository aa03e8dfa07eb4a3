/** Owns etcd as a subject: three members of the distribution's package, defaults, through its JSON gateway. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, run, spawnMember } from "./processes.ts";
import {
  type Cluster,
  type Consistency,
  type HttpRequest,
  type Member,
  NAMESPACE,
  type Subject,
  send,
  until,
} from "./subject.ts";

const JSON_HEADERS = { "content-type": "application/json" };
const LIST_MAX = 1_000;

/** The whole key: etcd has no namespaces. */
export const etcdKey = (key: string): string => `${NAMESPACE}/${key}`;

export const etcd: Subject = {
  name: "etcd",
  put: (key, value) => post("kv/put", { key: base64(etcdKey(key)), value: base64(value) }),
  get: (key, consistency) => range({ key: base64(etcdKey(key)), ...freshness(consistency) }),
  list: (prefix) => {
    const key = etcdKey(prefix);
    const end = key.slice(0, -1) + String.fromCharCode(key.charCodeAt(key.length - 1) + 1);
    const span = { key: base64(key), range_end: base64(end), limit: LIST_MAX };
    return range({ ...span, ...freshness("local") });
  },
  start: async () => {
    const cluster = await EtcdCluster.start();
    await cluster.leader();
    return cluster;
  },
};

/** Version as the program says it. */
export async function etcdVersion(): Promise<string> {
  return /etcd Version: (\S+)/.exec(await run(["etcd", "--version"]))?.[1] ?? "unknown";
}

interface Status {
  readonly header: { readonly member_id: string; readonly revision?: string };
  readonly leader?: string;
}

class EtcdCluster implements Cluster {
  readonly #folder = mkdtempSync(join(tmpdir(), "bench-etcd-"));
  readonly #ports: readonly number[];
  readonly #members = new Map<string, Member>();

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  static async start(): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(await freePorts(6));
    for (const name of NAMES) cluster.#spawn(name, "new");
    return cluster;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  async leader(): Promise<Member> {
    let found: Member | undefined;
    await until("etcd has a leader", async () => {
      for (const member of this.members) {
        const { header, leader } = await statusOf(member);
        if (leader === header.member_id) found = member;
      }
      return found !== undefined;
    });
    if (found === undefined) throw new Error("a leader was found");
    return found;
  }

  restart(name: string): Member {
    return this.#spawn(name, "existing");
  }

  async ready(member: Member): Promise<boolean> {
    const health = await fetch(`${member.url}/health`);
    const { health: word } = (await health.json()) as { health: string };
    return word === "true" && (await send(member, etcd.get("none", "linearizable"))).ok;
  }

  async revision(): Promise<number> {
    const { header } = await statusOf(await this.leader());
    return Number(header.revision ?? 0);
  }

  async stop(): Promise<void> {
    for (const member of this.members) member.signal("SIGKILL");
    await Promise.all(this.members.map(({ ended }) => ended));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(name: string, state: "new" | "existing"): Member {
    const client = this.#clientUrl(name);
    const peer = this.#peerUrl(name);
    const dataDir = join(this.#folder, name);
    const all = NAMES.map((other) => `${other}=${this.#peerUrl(other)}`).join(",");
    const member = spawnMember({ name, url: client, dataDir }, [
      "etcd",
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${all}`,
      `--initial-cluster-state=${state}`,
      "--log-level=error",
    ]);
    this.#members.set(name, member);
    return member;
  }

  #clientUrl(name: string): string {
    return `http://127.0.0.1:${this.#ports[NAMES.indexOf(name)]}`;
  }

  #peerUrl(name: string): string {
    return `http://127.0.0.1:${this.#ports[NAMES.length + NAMES.indexOf(name)]}`;
  }
}

const NAMES: readonly string[] = ["m1", "m2", "m3"];

async function statusOf(member: Member): Promise<Status> {
  const response = await send(member, post("maintenance/status", {}));
  return (await response.json()) as Status;
}

function range(body: unknown): HttpRequest {
  return post("kv/range", body);
}

function freshness(consistency: Consistency) {
  return consistency === "local" ? { serializable: true } : {};
}

function post(route: string, body: unknown): HttpRequest {
  const path = `/v3/${route}`;
  return { method: "POST", path, headers: JSON_HEADERS, body: JSON.stringify(body) };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
