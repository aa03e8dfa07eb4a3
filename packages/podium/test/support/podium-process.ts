/** Starts the real Podium as a process of its own, ends it by pid, and talks to it as its neighbours do. */
import { ACTOR_HEADER, type Actor, signActor } from "@concert/service-kit";
import { SECRET, SERVICE_KEY } from "./concord-server.ts";
import { API_KEY as ENSEMBLE_KEY } from "./ensemble-server.ts";

export const PODIUM_KEY = "pod_test";
export const ALICE: Actor = { tenant: "acme", user: "alice", roles: ["member"], permissions: [] };
export const MALLORY: Actor = { tenant: "other", user: "mallory", roles: [], permissions: [] };

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

export interface Upstreams {
  readonly concord: { readonly url: string };
  readonly ensemble: { readonly url: string };
}

export class PodiumProcess {
  readonly url: string;
  readonly #child: Bun.Subprocess;

  private constructor(child: Bun.Subprocess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(dataDir: string, up: Upstreams, ...flags: string[]): Promise<PodiumProcess> {
    const args = [
      "--listen=127.0.0.1:0",
      `--data-dir=${dataDir}`,
      `--api-key=${PODIUM_KEY}`,
      `--concord-url=${up.concord.url}`,
      `--concord-service-key=${SERVICE_KEY}`,
      `--internal-secret=${SECRET}`,
      `--ensemble-url=${up.ensemble.url}`,
      `--ensemble-api-key=${ENSEMBLE_KEY}`,
      ...flags,
    ];
    const child = Bun.spawn([process.execPath, MAIN, ...args], {
      stderr: "pipe",
      stdout: "ignore",
    });
    const url = await listeningUrl(child.stderr);
    return new PodiumProcess(child, url.replace(/\/$/, ""));
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends the process with a signal and waits until it is gone; answers its exit code. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number> {
    this.#child.kill(signal);
    return this.#child.exited;
  }

  async request(method: string, path: string, body?: unknown, actor?: Actor): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${PODIUM_KEY}`,
        "content-type": "application/json",
        ...(actor === undefined ? {} : { [ACTOR_HEADER]: await podiumToken(actor) }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async createInstance(agentType: string, instanceId: string, actor = ALICE): Promise<Response> {
    const body = { agent_type: agentType, instance_id: instanceId };
    return this.request("POST", "/api/v1/instances", body, actor);
  }

  step(body: Record<string, unknown>): Promise<Response> {
    return this.request("POST", "/internal/v1/agent-steps", body);
  }

  async log(instanceId: string): Promise<LoggedEvent[]> {
    const response = await this.request("GET", `/api/v1/instances/${instanceId}/events?limit=1000`);
    const { items } = (await response.json()) as { items: LoggedEvent[] };
    return items;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: tests read contents of many shapes.
export type LoggedEvent = { event_id: number; event_type: string; turn_id: string; content: any };

export function podiumToken(actor: Actor): Promise<string> {
  return signActor(actor, "podium", SECRET);
}

/** The request Concord's runtime sends for thought `n` of a turn. */
export function stepBody(
  commandId: string,
  instanceId: string,
  turnId: string,
  n = 0,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    step_key: `${commandId}:think:${n}`,
    command_id: commandId,
    instance_id: instanceId,
    agent_type: "concierge",
    turn_id: turnId,
    step_index: n,
    text: "Book the Aurora",
    history: [],
    tools: [SEARCH_TOOL],
    transcript: [],
    ...more,
  };
}

export const SEARCH_TOOL = {
  name: "hotel_search",
  description: "Search hotels",
  input_schema: { type: "object" },
  task_name: "hotel.search",
  risk_level: "low",
  side_effect: false,
};

/** Polls until `condition` gives something; a test that waits for nothing fails by the runner's own limit. */
export async function until<T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  while (true) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
    await Bun.sleep(5);
  }
}

async function listeningUrl(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let seen = "";
  const reader = stderr.getReader();
  while (true) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Podium ended before it listened:\n${seen}`);
    seen += decoder.decode(value, { stream: true });
    const url = /"url":"([^"]+)","msg":"listening"/.exec(seen)?.[1];
    if (url === undefined) continue;
    void drain(reader, decoder);
    return url;
  }
}

/** Keeps the pipe empty; PODIUM_TEST_LOG=1 shows what came. */
async function drain(
  reader: { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }> },
  decoder: TextDecoder,
): Promise<void> {
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    if (process.env["PODIUM_TEST_LOG"] === "1") process.stderr.write(decoder.decode(value));
  }
}
