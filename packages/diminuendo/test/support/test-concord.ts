/** A small Concord for tests: real HTTP speaking the parts of docs/wire.md §2 that the gateway uses. */
import { ACTOR_HEADER, type Actor, verifyActor } from "@concert/service-kit/identity";
import { INTERNAL_SECRET } from "./test-podium.ts";

export const CONCORD_KEY = "con_test_key";

interface Submitted {
  readonly commandId: string;
  readonly actor: Actor;
  readonly body: Readonly<Record<string, unknown>>;
  asked: number;
}

interface Question {
  readonly requestId: string;
  readonly tenant: string;
  outcome: string | null;
}

interface GivenInput {
  readonly input?: Record<string, unknown>;
  readonly input_request_id?: string;
  readonly dismissed?: boolean;
}

interface Approval {
  readonly approvalId: string;
  readonly commandId: string;
  readonly tenant: string;
  decision: string | null;
}

export class TestConcord {
  readonly #server;
  readonly approvals = new Map<string, Approval>();
  readonly seenTraces: (string | null)[] = [];
  /** The tenant of everybody who asked. */
  readonly seenTenants: string[] = [];
  /** Commands by idempotency key, and how often each was asked for. */
  readonly commands = new Map<string, Submitted>();
  /** By the command that asks. */
  readonly questions = new Map<string, Question>();
  onAnswered: (question: Question, actor: Actor) => void = () => {};
  onResolved: (approval: Approval, actor: Actor) => void = () => {};

  constructor() {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => this.#fetch(request),
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  open(approvalId: string, commandId: string, tenant: string): void {
    this.approvals.set(approvalId, { approvalId, commandId, tenant, decision: null });
  }

  async #fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/health") return Response.json({ ok: true });
    if (request.headers.get("authorization") !== `Bearer ${CONCORD_KEY}`) {
      return failure(401, "unauthorized");
    }
    const actor = await verifyActor(request.headers.get(ACTOR_HEADER), "concord", INTERNAL_SECRET);
    this.seenTenants.push(actor.tenant);
    this.seenTraces.push(request.headers.get("traceparent"));
    const approvalId = /^\/approvals\/([^/]+)\/resolve$/.exec(url.pathname)?.[1];
    if (request.method === "POST" && approvalId !== undefined) {
      return this.#resolve(approvalId, actor, (await request.json()) as { decision: string });
    }
    if (request.method === "POST" && url.pathname === "/commands") {
      return this.#submit(actor, (await request.json()) as Record<string, unknown>);
    }
    const askedBy = /^\/commands\/([^/]+)\/input$/.exec(url.pathname)?.[1];
    if (request.method === "POST" && askedBy !== undefined) {
      return this.#answer(askedBy, actor, (await request.json()) as GivenInput);
    }
    if (url.pathname === "/approvals") {
      const asked = Object.fromEntries(url.searchParams);
      const items = [...this.approvals.values()].filter((one) => one.tenant === actor.tenant);
      return Response.json({ items, next_cursor: null, asked });
    }
    if (url.pathname.startsWith("/commands/cmd_1")) {
      return Response.json({
        command_id: "cmd_1",
        tenant_id: actor.tenant,
        path: url.pathname + url.search,
      });
    }
    return failure(404, "not_found");
  }

  /** It knows one task, `notify`, for which policy wants a `recipient` other than `nobody`. */
  #submit(actor: Actor, body: Record<string, unknown>): Response {
    if (body["task_name"] !== "notify") return failure(404, "unknown_task");
    if ((body["payload"] as { recipient?: string }).recipient === "nobody") {
      return failure(403, "policy_denied");
    }
    const key = String(body["idempotency_key"]);
    const commandId = `cmd_told_${this.commands.size + 1}`;
    const known = this.commands.get(key) ?? { commandId, actor, body, asked: 0 };
    known.asked += 1;
    this.commands.set(key, known);
    return Response.json({ command_id: known.commandId, status: "queued" }, { status: 202 });
  }

  #answer(commandId: string, actor: Actor, body: GivenInput): Response {
    const question = this.questions.get(commandId);
    if (question?.tenant !== actor.tenant) return failure(404, "not_found");
    if (!actor.roles.includes("owner")) return failure(403, "forbidden");
    if (question.outcome !== null || body.input_request_id !== question.requestId) {
      return failure(409, "illegal_transition");
    }
    if (body.dismissed !== true && typeof body.input?.["guest_name"] !== "string") {
      const details = [{ path: "/guest_name", message: "must be string" }];
      const error = { code: "validation_error", message: "does not fit", details, trace_id: "0" };
      return Response.json({ error }, { status: 400 });
    }
    question.outcome = body.dismissed === true ? "cancelled" : "answered";
    this.onAnswered(question, actor);
    return Response.json({ command_id: commandId });
  }

  #resolve(approvalId: string, actor: Actor, body: { decision: string }): Response {
    const approval = this.approvals.get(approvalId);
    if (approval?.tenant !== actor.tenant) return failure(404, "not_found");
    if (!actor.roles.includes("finance_approvers")) return failure(403, "not_approver");
    if (approval.decision !== null) return failure(409, "approval_already_decided");
    approval.decision = body.decision;
    this.onResolved(approval, actor);
    return Response.json({ approval_id: approvalId, status: body.decision });
  }
}

function failure(status: number, code: string): Response {
  return Response.json({ error: { code, message: code, trace_id: "0" } }, { status });
}
