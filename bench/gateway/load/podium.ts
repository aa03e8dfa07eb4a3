/**
 * A Podium for benchmarks: the real protocol (docs/wire.md §4) with a log in memory, and an agent that says what
 * the harness tells it to, at the pace it is told. Every event it says carries a mark.
 */
import { ACTOR_HEADER, verifyActor } from "@concert/service-kit/identity";
import type { ServerWebSocket } from "bun";
import { mark } from "./marks.ts";
import { answerParent } from "./rpc.ts";

export const PODIUM_KEY = "pod_bench_key";
export const INTERNAL_SECRET = "bench-internal-secret-0123456789";

interface Instance {
  readonly id: string;
  /** Frames as they were sent; the first has event id 1. */
  readonly log: string[];
  readonly sockets: Set<Socket>;
  turnId: string;
  marks: number;
}
type Socket = ServerWebSocket<{ readonly instanceId: string; readonly after: number }>;

const instances = new Map<string, Instance>();
const turns = new Set<string>();
/** In the order in which they were made; the pace goes round them. */
const order: Instance[] = [];

const nowMs = () => performance.timeOrigin + performance.now();

function make(id: string): Instance {
  const instance = { id, log: [], sockets: new Set<Socket>(), turnId: "", marks: 0 };
  instances.set(id, instance);
  order.push(instance);
  return instance;
}

function emit(instance: Instance, event_type: string, content: unknown): void {
  const event = {
    type: "update",
    event_id: instance.log.length + 1,
    event_type,
    turn_id: instance.turnId,
    content,
    at: new Date().toISOString(),
  };
  const frame = JSON.stringify(event);
  instance.log.push(frame);
  for (const socket of instance.sockets) socket.send(frame);
}

function say(instance: Instance, kind: "delta" | "thought", bytes: number): void {
  instance.marks += 1;
  const text = mark(instance.marks, nowMs()).padEnd(bytes, "x");
  if (kind === "thought") emit(instance, "thinking.progress", { text });
  else emit(instance, "stream_update", { message_id: `m_${instance.turnId}`, attempt: 1, text });
}

function begin(instance: Instance, turnId: string): void {
  instance.turnId = turnId;
  turns.add(turnId);
  emit(instance, "created", { turn_id: turnId, command_id: `cmd_${turnId}` });
  emit(instance, "stream_start", { message_id: `m_${turnId}`, attempt: 1 });
}

function finish(instance: Instance): void {
  const { turnId } = instance;
  const usage = { input_tokens: 1, output_tokens: 1 };
  emit(instance, "stream_end", { message_id: `m_${turnId}`, text: "done" });
  const end = { final_text: "done", status: "succeeded", usage, command_id: `cmd_${turnId}` };
  emit(instance, "complete", end);
}

export interface Pace {
  readonly rate: number;
  readonly seconds: number;
  /** Of each event's text. */
  readonly bytes: number;
  readonly kind: "delta" | "thought";
}

const TICK_MS = 2;

/** Says so many events a second, one instance after the other; answers how many, and how late the last was. */
async function pace({ rate, seconds, bytes, kind }: Pace) {
  const total = Math.round(rate * seconds);
  const startedMs = performance.now();
  for (let said = 0; said < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedMs) * rate) / 1_000));
    for (; said < due; said += 1) {
      const instance = order[said % order.length];
      if (instance === undefined) throw new Error("no instance to speak");
      say(instance, kind, bytes);
    }
    await Bun.sleep(TICK_MS);
  }
  return { said: total, tookMs: performance.now() - startedMs };
}

async function createInstance(request: Request): Promise<Response> {
  await verifyActor(request.headers.get(ACTOR_HEADER), "podium", INTERNAL_SECRET);
  const wanted = (await request.json()) as { readonly instance_id: string };
  const known = instances.has(wanted.instance_id);
  if (!known) make(wanted.instance_id);
  return Response.json({ ...wanted, status: "running" }, { status: known ? 200 : 201 });
}

function failure(status: number, code: string): Response {
  return Response.json({ error: { code, message: code, trace_id: "0" } }, { status });
}

const server = Bun.serve<{ readonly instanceId: string; readonly after: number }>({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, upgrader) {
    const url = new URL(request.url);
    if (request.headers.get("authorization") !== `Bearer ${PODIUM_KEY}`) {
      return failure(401, "unauthorized");
    }
    if (request.method === "POST" && url.pathname === "/api/v1/instances") {
      return createInstance(request);
    }
    if (url.pathname === "/api/v1/agent-types") {
      const bench = {
        agent_type: "bench",
        title: "Bench",
        description: "Says what it is told to.",
      };
      return Response.json({ items: [bench] });
    }
    const instanceId = /^\/agent\/([^/]+)$/.exec(url.pathname)?.[1] ?? "";
    if (!instances.has(instanceId)) return failure(404, "unknown_instance");
    const after = Number(url.searchParams.get("after") ?? 0);
    return upgrader.upgrade(request, { data: { instanceId, after } })
      ? undefined
      : failure(404, "route_not_found");
  },
  websocket: {
    data: {} as { readonly instanceId: string; readonly after: number },
    perMessageDeflate: false,
    open(socket) {
      const instance = instances.get(socket.data.instanceId);
      for (const frame of instance?.log.slice(socket.data.after) ?? []) socket.send(frame);
      instance?.sockets.add(socket);
    },
    async message(socket, text) {
      const frame = JSON.parse(String(text));
      const instance = instances.get(socket.data.instanceId);
      if (instance === undefined || frame.type !== "process_message") return;
      await verifyActor(frame.content.actor, "podium", INTERNAL_SECRET);
      if (!turns.has(frame.content.turn_id)) begin(instance, frame.content.turn_id);
    },
    close: (socket) => void instances.get(socket.data.instanceId)?.sockets.delete(socket),
  },
});

const API = {
  port: () => server.port ?? 0,
  pace,
  /** Ends the open turn of everybody. */
  finish: () => {
    for (const instance of order) finish(instance);
  },
  /** Instances that a server beside the gateway will listen to. */
  make: (p: { ids: readonly string[] }) => {
    for (const id of p.ids) begin(make(id), `turn_${id}`);
  },
  /** How many instances have an open turn and somebody who listens. */
  listening: () => order.filter(({ turnId, sockets }) => turnId !== "" && sockets.size > 0).length,
  marks: () => order.map(({ id, marks }) => ({ id, marks })),
};

export type PodiumApi = typeof API;
answerParent(API);
