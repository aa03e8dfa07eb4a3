/**
 * Owns the deployments that the contract suite runs against: each is started in a folder of its own, is asked
 * at any of its addresses, and leaves nothing running.
 */
import { type Node, startNode, startUnison } from "../process.ts";
import { REDIS, RedisServer } from "../redis.ts";
import { Trio } from "../trio.ts";

export interface Deployment {
  /** Where to ask first; each serves every request, or redirects to the one that does. */
  readonly urls: readonly string[];
  end(): Promise<void>;
}
export interface EngineKind {
  readonly name: string;
  /** What this machine lacks for it, or null. */
  readonly lacks: string | null;
  /** Everything it keeps on disk is below `folder`. */
  start(folder: string): Promise<Deployment>;
}

/** One member, started with settings of its own. */
export function single(...flags: readonly string[]): EngineKind {
  return {
    name: "Raft, one member",
    lacks: null,
    async start(folder) {
      const node: Node = await startNode(folder, "--bootstrap", "--node-id=n1", ...flags);
      return { urls: [node.url], end: async () => void (await node.end("SIGTERM")) };
    },
  };
}

const three: EngineKind = {
  name: "Raft, three members",
  lacks: null,
  async start(folder) {
    const trio = await Trio.start(folder);
    return { urls: [trio.node(await trio.leader()).url], end: () => trio.end() };
  },
};

/** Two processes beside each other: what one does, the other must see. */
const unison: EngineKind = {
  name: "Unison, two processes over Redis",
  lacks: REDIS === null ? "there is no redis-server here (Debian: redis-server)" : null,
  async start(folder) {
    const server = await RedisServer.start(folder);
    const nodes = await Promise.all(
      [1, 2].map(() => startUnison(server.url, `--data-dir=${folder}`)),
    );
    const end = async () => {
      await Promise.all(nodes.map((node) => node.end("SIGTERM")));
      await server.kill();
    };
    return { urls: nodes.map(({ url }) => url), end };
  },
};

export const ENGINES: readonly EngineKind[] = [single(), three, unison];
