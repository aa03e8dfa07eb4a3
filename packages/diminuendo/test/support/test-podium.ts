/**
 * A small Podium for tests: real HTTP and a real socket, speaking docs/wire.md §4 with a durable-enough log in
 * memory. What the agent does is decided by the first word of the text, so that tests read as scripts.
 */
import { ACTOR_HEADER, verifyActor } from "@concert/service-kit/identity";
import type { ServerWebSocket } from "bun";

export interface TestEvent {
  readonly event_type: string;
  readonly content: unknown;
}
interface LoggedEvent extends TestEvent {
  readonly type: "update";
  readonly event_id: number;
  readonly turn_id: string;
  readonly at: string;
}
interface Instance {
  readonly instanceId: string;
  readonly agentType: string;
  readonly tenant: string;
  readonly log: LoggedEvent[];
  readonly sockets: Set<Socket>;
}
interface Turn {
  readonly instance: Instance;
  readonly turnId: string;
  readonly text: string;
  readonly user: string;
  stopped: boolean;
  ended: boolean;
}
type Socket = ServerWebSocket<{ instanceId: string; after: number }>;

export const PODIUM_KEY = "pod_test_key";
export const INTERNAL_SECRET = "test-internal-secret-0123456789";

export class TestPodium {
  readonly #server;
  #reading: Promise<void> = Promise.resolve();
  readonly instances = new Map<string, Instance>();
  readonly turns = new Map<string, Turn>();
  /** How often each turn was asked for, repeats included. */
  readonly asked = new Map<string, number>();
  /** W3C trace context that each turn came with. */
  readonly traces = new Map<string, string>();
  readonly stops: string[] = [];
  /** Words that reached a turn, by steer id. */
  readonly steers = new Map<string, string>();
  /** Whether turns go on after they were told to stop. */
  keepsStopping = false;
  /** Whether it knows the frame `steer`. */
  canSteer = true;
  /** What the workspace of every instance holds; null: this Podium keeps none. */
  files: ReadonlyMap<string, string> | null = null;
  /** What `GET /api/v1/agent-types` tells; null answers 503. */
  agentTypes: readonly string[] | null = null;
  /** Who asked to remove which instance, in order. */
  readonly removals: [instanceId: string, user: string][] = [];
  /** `stops first`: there are turns to stop when an instance is first asked to go. */
  removing: "works" | "fails" | "stops first" | "says nothing" = "works";
  readonly #removed = new Map<string, number>();
  /** Called when an agent asks for an approval. */
  onApprovalWanted: (approvalId: string, commandId: string, tenant: string) => void = () => {};
  onQuestion: (requestId: string, commandId: string, tenant: string) => void = () => {};
  /** Whose instances have `files`; null: everybody's. */
  filesOf: string | null = null;
  /** What was asked of an instance of another tenant than the actor's; tests expect none. */
  readonly strangers: string[] = [];

  constructor(port = 0) {
    this.#server = Bun.serve<{ instanceId: string; after: number }>({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        data: {} as { instanceId: string; after: number },
        open: (socket) => this.#opened(socket),
        message: (socket, text) => {
          // One after the other, as a real one reads them: a stop must not overtake the turn it is about.
          this.#reading = this.#reading.then(() => this.#received(socket, String(text)));
        },
        close: (socket) => void this.instances.get(socket.data.instanceId)?.sockets.delete(socket),
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  /** Cuts every socket, as a crash would. */
  dropSockets(): void {
    for (const { sockets } of this.instances.values())
      for (const socket of sockets) socket.terminate();
  }

  emit(turn: Turn, event_type: string, content: unknown): void {
    const { instance, turnId } = turn;
    const event: LoggedEvent = {
      type: "update",
      event_id: instance.log.length + 1,
      event_type,
      turn_id: turnId,
      content,
      at: new Date().toISOString(),
    };
    instance.log.push(event);
    for (const socket of instance.sockets) socket.send(JSON.stringify(event));
  }

  /** The decision on an approval, as Podium hears of it through Concord's feed. */
  resolved(turnId: string, approvalId: string, decision: string, decidedBy: string): void {
    const turn = this.turns.get(turnId);
    if (turn === undefined) throw new Error(`no turn ${turnId}`);
    const command_id = `cmd_child_${turnId}`;
    this.emit(turn, "tool.approval_resolved", {
      request_id: approvalId,
      command_id,
      decision,
      decided_by: decidedBy,
    });
    if (this.#script(turn) !== "approve") return;
    this.emit(turn, "tool.result", {
      call_id: "call_1",
      tool_name: "hotel_confirm",
      command_id,
      status: "succeeded",
      result: { confirmation_code: "H-1" },
    });
    this.#say(turn, ["Booked", "."]);
    this.#complete(turn, "Booked.");
  }

  async #fetch(request: Request, server: Bun.Server<{ instanceId: string; after: number }>) {
    const url = new URL(request.url);
    if (url.pathname === "/health") return Response.json({ ok: true });
    if (request.headers.get("authorization") !== `Bearer ${PODIUM_KEY}`) {
      return failure(401, "unauthorized");
    }
    const instanceId = /^\/agent\/([^/]+)$/.exec(url.pathname)?.[1];
    if (instanceId !== undefined) {
      const after = Number(url.searchParams.get("after") ?? 0);
      if (!this.instances.has(instanceId)) return failure(404, "unknown_instance");
      if (server.upgrade(request, { data: { instanceId, after } })) return undefined;
    }
    const file = /^\/api\/v1\/instances\/[^/]+\/files(?:\/(.*))?$/.exec(url.pathname);
    if (file !== null) {
      const tenant = this.instances.get(url.pathname.split("/")[4] ?? "")?.tenant ?? "";
      const isTheirs = this.filesOf === null || this.filesOf === tenant;
      if (!isTheirs) return failure(404, "unknown_file");
      await this.#expectOwn(request.headers.get(ACTOR_HEADER), tenant);
      return this.#serveFiles(file[1], url.searchParams.get("path") ?? "");
    }
    const removed = /^\/api\/v1\/instances\/([^/]+)\/remove$/.exec(url.pathname)?.[1];
    if (request.method === "POST" && removed !== undefined) return this.#remove(request, removed);
    if (request.method === "POST" && url.pathname === "/api/v1/instances")
      return this.#create(request);
    if (url.pathname === "/api/v1/agent-types" && this.agentTypes !== null)
      return Response.json({ items: this.agentTypes.map((agent_type) => ({ agent_type })) });
    return url.pathname === "/api/v1/agent-types"
      ? failure(503, "busy")
      : failure(404, "not_found");
  }

  async #expectOwn(token: string | null, tenant: string): Promise<void> {
    const actor = await verifyActor(token, "podium", INTERNAL_SECRET);
    if (tenant !== "" && actor.tenant !== tenant) this.strangers.push(`${actor.user} at ${tenant}`);
  }

  #serveFiles(route: string | undefined, folder: string): Response {
    if (this.files === null) return failure(404, "route_not_found");
    if (route === undefined) {
      const items = [...this.files]
        .filter(([path]) => path.startsWith(folder))
        .map(([path, text]) => ({ path, kind: "file", size: text.length }));
      return Response.json({ items });
    }
    const [, path = "", history, at] = /^(.*?)(\/history|\/at\/(\d+))?$/.exec(route) ?? [];
    const content = this.files.get(decodeURIComponent(path));
    if (content === undefined) return failure(404, "unknown_file");
    if (history === "/history") {
      const hash = new Bun.CryptoHasher("sha256").update(content).digest("hex");
      return Response.json({
        items: [{ iteration: 1, timestamp: 1, size: content.length, hash }],
      });
    }
    const iteration = at === undefined ? {} : { iteration: Number(at) };
    return Response.json({ path, content, encoding: "utf8", ...iteration });
  }

  async #remove(request: Request, instanceId: string): Promise<Response> {
    const actor = await verifyActor(request.headers.get(ACTOR_HEADER), "podium", INTERNAL_SECRET);
    const known = this.instances.get(instanceId);
    if (known !== undefined && known.tenant !== actor.tenant) this.strangers.push(actor.user);
    const isFirst = !this.removals.some(([id]) => id === instanceId);
    this.removals.push([instanceId, actor.user]);
    if (this.removing === "fails") return failure(503, "busy");
    if (this.removing === "stops first" && isFirst) {
      return Response.json({ instance_id: instanceId, status: "stopping" }, { status: 202 });
    }
    const events = known?.log.length ?? this.#removed.get(instanceId) ?? 0;
    this.#removed.set(instanceId, events);
    this.instances.delete(instanceId);
    if (this.removing === "says nothing") await new Promise(() => {});
    return Response.json({ status: "removed", turns: 1, events, files: 0 });
  }

  async #create(request: Request): Promise<Response> {
    const actor = await verifyActor(request.headers.get(ACTOR_HEADER), "podium", INTERNAL_SECRET);
    const wanted = (await request.json()) as { instance_id: string; agent_type: string };
    if (wanted.agent_type === "nobody") return failure(400, "unknown_agent_type");
    const known = this.instances.get(wanted.instance_id);
    if (known !== undefined && known.tenant !== actor.tenant) this.strangers.push(actor.user);
    if (known === undefined) {
      this.instances.set(wanted.instance_id, {
        instanceId: wanted.instance_id,
        agentType: wanted.agent_type,
        tenant: actor.tenant,
        log: [],
        sockets: new Set(),
      });
    }
    return Response.json(
      { ...wanted, status: "running" },
      { status: known === undefined ? 201 : 200 },
    );
  }

  #opened(socket: Socket): void {
    const instance = this.instances.get(socket.data.instanceId);
    if (instance === undefined) return;
    for (const event of instance.log) {
      if (event.event_id > socket.data.after) socket.send(JSON.stringify(event));
    }
    instance.sockets.add(socket);
  }

  async #received(socket: Socket, text: string): Promise<void> {
    const frame = JSON.parse(text);
    const instance = this.instances.get(socket.data.instanceId);
    if (instance === undefined) return;
    if (frame.type === "stop_turn") {
      await this.#expectOwn(frame.actor, instance.tenant);
      this.stops.push(frame.turn_id);
      return this.#stop(frame.turn_id);
    }
    if (frame.type === "steer") return this.#steer(socket, frame);
    const { turn_id: turnId, text: said, actor: token } = frame.content;
    const actor = await verifyActor(token, "podium", INTERNAL_SECRET);
    await this.#expectOwn(token, instance.tenant);
    this.asked.set(turnId, (this.asked.get(turnId) ?? 0) + 1);
    this.traces.set(turnId, frame.content.traceparent);
    if (this.turns.has(turnId)) return;
    const turn = { instance, turnId, text: said, user: actor.user, stopped: false, ended: false };
    this.turns.set(turnId, turn);
    if (this.#script(turn) === "refuse") {
      const error = { code: "invalid_frame", message: "no such thing at /etc/podium/secret" };
      socket.send(JSON.stringify({ type: "error", turn_id: turnId, error }));
      return;
    }
    void this.#act(turn);
  }

  async #steer(
    socket: Socket,
    frame: { turn_id: string; steer_id: string; text: string; actor: string },
  ): Promise<void> {
    await verifyActor(frame.actor, "podium", INTERNAL_SECRET);
    const turn = this.turns.get(frame.turn_id);
    if (!this.canSteer || turn === undefined) {
      const error = { code: "invalid_frame", message: "unknown type" };
      return void socket.send(JSON.stringify({ type: "error", error }));
    }
    if (turn.ended || this.steers.has(frame.steer_id)) return;
    this.steers.set(frame.steer_id, frame.text);
    this.emit(turn, "steered", { steer_id: frame.steer_id });
    if (frame.text.includes("finish")) this.#complete(turn, "Finished.");
  }

  /** Ends a turn that holds. */
  finish(turnId: string, finalText = "Done."): void {
    const turn = this.turns.get(turnId);
    if (turn !== undefined) this.#complete(turn, finalText);
  }

  #script(turn: Turn): string {
    return turn.text.split(" ")[0] ?? "";
  }

  async #act(turn: Turn): Promise<void> {
    this.emit(turn, "created", { turn_id: turn.turnId, command_id: `cmd_${turn.turnId}` });
    switch (this.#script(turn)) {
      case "hold":
        return this.emit(turn, "stream_start", { message_id: `m_${turn.turnId}`, attempt: 1 });
      case "stream":
        return this.#stream(turn, Number(turn.text.split(" ")[1]));
      case "approve":
        return this.#askApproval(turn);
      case "question":
        return this.#askQuestion(turn);
      case "both":
        this.#askApproval(turn);
        return this.#askQuestion(turn);
      case "fail":
        turn.ended = true;
        return this.emit(turn, "error", { code: "agent_failed", message: "It broke." });
      case "odd":
        this.emit(turn, "hologram.shown", { depth: 3 });
        return this.#complete(turn, "");
      default:
        this.#say(turn, ["Hello ", "there", "."]);
        return this.#complete(turn, "Hello there.");
    }
  }

  #say(turn: Turn, pieces: readonly string[]): void {
    const message_id = `m_${turn.turnId}`;
    this.emit(turn, "stream_start", { message_id, attempt: 1 });
    for (const text of pieces) this.emit(turn, "stream_update", { message_id, attempt: 1, text });
    this.emit(turn, "stream_end", { message_id, text: pieces.join("") });
  }

  async #stream(turn: Turn, count: number): Promise<void> {
    const message_id = `m_${turn.turnId}`;
    this.emit(turn, "stream_start", { message_id, attempt: 1 });
    for (let index = 0; index < count && !turn.stopped; index += 1) {
      this.emit(turn, "stream_update", { message_id, attempt: 1, text: `w${index} ` });
      if (index % 5 === 0) await Bun.sleep(3);
    }
    const text = Array.from({ length: count }, (_, index) => `w${index} `).join("");
    this.emit(turn, "stream_end", { message_id, text });
    this.#complete(turn, text);
  }

  #askApproval(turn: Turn): void {
    const command_id = `cmd_child_${turn.turnId}`;
    const request_id = `appr_${turn.turnId}`;
    const call = { call_id: "call_1", tool_name: "hotel_confirm" };
    this.emit(turn, "tool.call_start", call);
    this.emit(turn, "tool.call", { ...call, arguments: { booking_draft_id: "art_1" } });
    this.emit(turn, "tool.command", { call_id: "call_1", command_id, task_name: "hotel.confirm" });
    this.onApprovalWanted(request_id, command_id, turn.instance.tenant);
    this.emit(turn, "tool.permission_requested", {
      request_id,
      command_id,
      call_id: "call_1",
      approval_type: "spend",
      review_packet: {
        action: "Confirm a booking",
        affected: [{ label: "Total", value: "620.00" }],
      },
      expires_at: "2030-01-01T00:00:00.000Z",
    });
  }

  #askQuestion(turn: Turn): void {
    const command_id = `cmd_child_${turn.turnId}`;
    const request_id = `inp_${turn.turnId}`;
    this.onQuestion(request_id, command_id, turn.instance.tenant);
    this.emit(turn, "tool.question_requested", {
      request_id,
      command_id,
      questions: [{ text: "Who will stay there?", fields: ["guest_name"] }],
      answer_schema: { type: "object", required: ["guest_name"] },
      asked_by: "hotel.confirm",
      expires_at: "2030-01-01T00:00:00.000Z",
    });
  }

  /** The answer to a question, as Podium hears of it through Concord's feed. */
  questionOver(turnId: string, outcome: string, answered_by: string): void {
    const turn = this.turns.get(turnId);
    if (turn === undefined) throw new Error(`no turn ${turnId}`);
    const command_id = `cmd_child_${turnId}`;
    const request_id = `inp_${turnId}`;
    this.emit(turn, "tool.question_resolved", { request_id, command_id, outcome, answered_by });
    this.#complete(turn, outcome === "answered" ? "Booked." : "As you like.");
  }

  #complete(turn: Turn, final_text: string, status = "succeeded"): void {
    if (turn.ended) return;
    turn.ended = true;
    const usage = { input_tokens: 10, output_tokens: 5 };
    this.emit(turn, "usage", usage);
    const command_id = `cmd_${turn.turnId}`;
    this.emit(turn, "complete", { final_text, status, usage, command_id });
  }

  #stop(turnId: string): void {
    const turn = this.turns.get(turnId);
    if (turn === undefined || this.keepsStopping) return;
    turn.stopped = true;
    if (this.#script(turn) !== "stream") this.#complete(turn, "", "cancelled");
  }
}

function failure(status: number, code: string): Response {
  return Response.json({ error: { code, message: code, trace_id: "0" } }, { status });
}
