/**
 * Owns the approvals that a person is being asked for in the client. The decision goes to Concord under the person's own
 * identity; Concord alone says whether it counts. What somebody else decides meanwhile takes the question back.
 */
import type { AgentContext, SessionUpdate } from "@agentclientprotocol/sdk";
import { type DiminuendoClient, GatewayError, type SessionEvent } from "@concert/sdk";
import { type Approval, decisionOf, permissionRequest } from "./review.ts";

/** How often one question is put again because the gateway could not take the answer. */
const ASKED_MAX = 5;
/** Failures after which the same answer may well be taken. */
const PASSING: ReadonlySet<string> = new Set(["UpstreamUnavailable", "ConnectionLost", "Timeout"]);

export interface PermissionPorts {
  readonly gateway: DiminuendoClient;
  readonly client: AgentContext;
  readonly tell: (updates: readonly SessionUpdate[]) => void;
  /** A line for the people who run it. */
  readonly log: (line: string) => void;
}

export class Permissions {
  readonly #ports: PermissionPorts;
  readonly #open = new Map<
    string,
    { readonly approval: Approval; readonly over: AbortController }
  >();
  #isLive = false;

  constructor(ports: PermissionPorts) {
    this.#ports = ports;
  }

  /** The past is told: what is still open is asked for from here on. */
  goLive(): void {
    this.#isLive = true;
    for (const { approval, over } of this.#open.values()) void this.#ask(approval, over.signal);
  }

  receive(event: SessionEvent): void {
    if (event.type === "approval_resolved") this.#close(event.requestId);
    if (event.type !== "permission_requested" || this.#open.has(event.requestId)) return;
    const over = new AbortController();
    this.#open.set(event.requestId, { approval: event, over });
    if (this.#isLive) void this.#ask(event, over.signal);
  }

  closeAll(): void {
    for (const requestId of [...this.#open.keys()]) this.#close(requestId);
  }

  #close(requestId: string): void {
    this.#open.get(requestId)?.over.abort();
    this.#open.delete(requestId);
  }

  async #ask(approval: Approval, signal: AbortSignal): Promise<void> {
    const request = permissionRequest(approval);
    for (let asked = 0; asked < ASKED_MAX && !signal.aborted; asked += 1) {
      const said = await this.#answer(request, signal);
      // Decided elsewhere, or the session was left: nothing is asked any more.
      if (signal.aborted) return;
      const decision = "chosen" in said ? decisionOf(said.chosen) : undefined;
      if (decision === undefined) {
        const why = "chosen" in said ? `it chose ${JSON.stringify(said.chosen)}` : said.failure;
        return this.#staysOpen(approval, request.toolCall.toolCallId, why);
      }
      const { sessionId, requestId } = approval;
      const failure = await this.#ports.gateway
        .answerQuestion(sessionId, requestId, { decision })
        .then(() => undefined)
        .catch((error: unknown) => error);
      if (failure === undefined) return;
      const code = failure instanceof GatewayError ? failure.code : "";
      // Somebody was faster: the event about it tells what was decided.
      if (code === "ApprovalAlreadyDecided") return;
      const why = failure instanceof Error ? failure.message : String(failure);
      this.#say(request.toolCall.toolCallId, `The decision was not taken: ${why}`);
      if (!PASSING.has(code)) return;
    }
  }

  /** What the person chose in the client, or why nothing came of asking there. */
  async #answer(
    request: ReturnType<typeof permissionRequest>,
    signal: AbortSignal,
  ): Promise<{ readonly chosen: string } | { readonly failure: string }> {
    try {
      const { outcome } = await this.#ports.client.request("session/request_permission", request, {
        cancellationSignal: signal,
        stopWaitingOnCancel: true,
      });
      if (outcome.outcome !== "selected") return { failure: "the person did not decide there" };
      return { chosen: String(outcome["optionId"]) };
    } catch (error) {
      return { failure: error instanceof Error ? error.message : String(error) };
    }
  }

  /** The client could not decide it; anybody who may can, elsewhere, and both sides are told so. */
  #staysOpen({ sessionId, requestId }: Approval, toolCallId: string, why: string): void {
    const which = `approval ${requestId} of session ${sessionId}`;
    this.#ports.log(`${which} was not decided in the client and stays open: ${why}`);
    this.#say(
      toolCallId,
      `This was not decided here (${why}). Approval ${requestId} stays open: decide it in the console, or with \`concert approvals\`.`,
    );
  }

  #say(toolCallId: string, text: string): void {
    this.#ports.tell([
      {
        sessionUpdate: "tool_call_update",
        toolCallId,
        content: [{ type: "content", content: { type: "text", text } }],
      },
    ]);
  }
}
