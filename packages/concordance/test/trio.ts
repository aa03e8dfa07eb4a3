/**
 * Owns three real members of one cluster for tests: founding, joining, finding the leader, killing and
 * restarting one at its own address. Writes go through a client that knows all three.
 */
import { join } from "node:path";
import { ConcordanceClient } from "../shared/client.ts";
import type { ClusterStatus } from "../shared/protocol.ts";
import type { Network } from "./network.ts";
import { type Node, startNode } from "./process.ts";

export class Trio {
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #network: Network | null;
  readonly nodes = new Map<string, Node>();
  /** `host:port` of each, kept over restarts. */
  readonly hosts = new Map<string, string>();

  private constructor(folder: string, flags: readonly string[], network: Network | null) {
    this.#folder = folder;
    this.#flags = flags;
    this.#network = network;
  }

  /** Three voters, all caught up. */
  static start(folder: string, ...flags: readonly string[]): Promise<Trio> {
    return Trio.#founded(new Trio(folder, flags, null));
  }

  /** Three voters that reach each other over `network` only. */
  static startOver(network: Network, folder: string, ...flags: readonly string[]): Promise<Trio> {
    return Trio.#founded(new Trio(folder, flags, network));
  }

  static async #founded(trio: Trio): Promise<Trio> {
    await trio.add("n1", "--bootstrap");
    const seed = trio.hosts.get("n1") ?? "";
    await Promise.all(["n2", "n3"].map((id) => trio.add(id, `--join=${seed}`)));
    await trio.untilStatus("three voters", ({ members }) => {
      return members.length === 3 && members.every(({ role }) => role === "voter");
    });
    return trio;
  }

  async add(id: string, ...flags: readonly string[]): Promise<Node> {
    const host = this.#network?.hostOf(id) ?? this.hosts.get(id);
    const listen = host === undefined ? [] : [`--listen=${host}`];
    const advertise = this.#network === null ? [] : [`--advertise=${this.#network.addressOf(id)}`];
    const all = [`--node-id=${id}`, ...this.#flags, ...listen, ...advertise, ...flags];
    const node = await startNode(join(this.#folder, id), ...all);
    this.took(id, node);
    return node;
  }

  /** A member that was started in another way. */
  took(id: string, node: Node): void {
    const { host } = new URL(node.url);
    this.nodes.set(id, node);
    this.hosts.set(id, host);
  }

  node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no member ${id}`);
    return node;
  }

  kill(id: string): Promise<void> {
    return this.stop(id, "SIGKILL");
  }

  async stop(id: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const node = this.node(id);
    this.nodes.delete(id);
    await node.end(signal);
  }

  client(): ConcordanceClient {
    const url = [...this.hosts.values()].map((host) => `http://${host}`);
    return new ConcordanceClient({ url, apiKey: "dev", timeoutMs: 1_000, retryForMs: 20_000 });
  }

  async statusOf(id: string): Promise<ClusterStatus> {
    const headers = { authorization: "Bearer dev" };
    const response = await fetch(`${this.node(id).url}/api/v1/cluster/status`, { headers });
    return (await response.json()) as ClusterStatus;
  }

  /** The member that leads by its own account and with the most recent term. */
  async leader(): Promise<string> {
    let found = "";
    await this.untilStatus("a leader", ({ role, nodeId }) => {
      if (role === "leader") found = nodeId;
      return role === "leader";
    });
    return found;
  }

  /** Waits until some running member's status satisfies `holds`, and answers it. */
  async untilStatus(
    what: string,
    holds: (status: ClusterStatus) => boolean,
  ): Promise<ClusterStatus> {
    for (let attempt = 0; attempt < 1_000; attempt += 1) {
      const asked = [...this.nodes.keys()].map((id) => this.statusOf(id));
      // One that is about to end, or cannot be reached, does not answer.
      const all = (await Promise.allSettled(asked)).flatMap((one) =>
        one.status === "fulfilled" ? [one.value] : [],
      );
      const newest = all.toSorted((a, b) => b.term - a.term).find(holds);
      if (newest !== undefined) return newest;
      await Bun.sleep(20);
    }
    throw new Error(`never happened: ${what}`);
  }

  async post(id: string, order: string, body: unknown): Promise<Response> {
    const headers = { authorization: "Bearer dev" };
    const url = `${this.node(id).url}/api/v1/cluster/${order}`;
    return fetch(url, { method: "POST", headers, body: JSON.stringify(body), redirect: "manual" });
  }

  async end(): Promise<void> {
    for (const node of this.nodes.values()) await node.end("SIGKILL");
  }
}
