/**
 * Owns the console's one gateway connection: the SDK client, the state that views read, and the intents they
 * have. Refuses to own how anything looks.
 */
import {
  type AutomationCalls,
  type Decision,
  DiminuendoClient,
  type Identity,
  type Invitation,
  type Member,
  type MemberAction,
  type SessionMeta,
} from "@concert/sdk";
import { createStore, type StoreApi } from "zustand/vanilla";
import { type ConsoleConfig, socketUrl } from "./console-config.ts";
import { explainError } from "./explain-error.ts";
import { type FrameBatch, frameBatch } from "./frame-batch.ts";
import {
  type Arrival,
  applyArrivals,
  EMPTY_GATEWAY_STATE,
  type GatewayState,
  type Joining,
  type OutboxMessage,
} from "./gateway-state.ts";

export interface People {
  readonly members: readonly Member[];
  readonly invitations: readonly Invitation[];
}

export class Gateway {
  readonly store: StoreApi<GatewayState> = createStore(() => EMPTY_GATEWAY_STATE);
  readonly #client: DiminuendoClient;
  readonly #config: ConsoleConfig;
  readonly #token: string | undefined;
  readonly #batch: FrameBatch<Arrival>;

  constructor(config: ConsoleConfig, token: string | undefined) {
    this.#config = config;
    this.#token = token;
    const url = socketUrl(config);
    this.#client = new DiminuendoClient({ url, ...(token === undefined ? {} : { token }) });
    this.#batch = frameBatch((arrivals) =>
      this.store.setState((state) => applyArrivals(state, arrivals)),
    );
    this.#listen();
  }

  /** Rejects with a `GatewayError` when the gateway refuses or cannot be reached. */
  connect(): Promise<Identity> {
    return this.#client.connect();
  }

  disconnect(): void {
    this.#client.disconnect();
  }

  async refreshSessions(): Promise<void> {
    try {
      const sessions = await this.#client.listSessions();
      this.store.setState({
        sessions: Object.fromEntries(sessions.map((session) => [session.sessionId, session])),
        sessionList: { status: "ready" },
      });
    } catch (error) {
      this.store.setState({ sessionList: { status: "failed", reason: explainError(error) } });
    }
  }

  createSession(agentType: string, name: string): Promise<SessionMeta> {
    return this.#client.createSession({ agentType, name });
  }

  /** For good; who else looks at it is told. */
  async deleteSession(sessionId: string): Promise<void> {
    await this.#client.deleteSession(sessionId);
    this.#batch.push({ kind: "deleted", sessionId });
  }

  /** Follows a session from where its view stopped. */
  async openSession(sessionId: string): Promise<void> {
    this.#batch.flush();
    this.#setJoin(sessionId, { status: "joining" });
    const { views, epochs } = this.store.getState();
    const epoch = epochs[sessionId];
    const afterSeq = views[sessionId]?.headSeq ?? 0;
    try {
      await this.#client.joinSession(sessionId, {
        afterSeq,
        ...(epoch === undefined ? {} : { epoch }),
      });
      this.#batch.flush();
      this.#setJoin(sessionId, { status: "ready" });
    } catch (error) {
      this.#setJoin(sessionId, { status: "failed", reason: explainError(error) });
    }
  }

  /** Stops following; what was seen stays, and opening again asks only for the rest. */
  closeSession(sessionId: string): void {
    // The gateway forgets with the connection anyway, and nobody waits for this answer.
    this.#client.leaveSession(sessionId).catch(() => {});
  }

  /** Shows the message at once; the durable one with the same key takes its place. */
  async send(sessionId: string, text: string, idempotencyKey: string): Promise<void> {
    this.#setOutbox(sessionId, { idempotencyKey, text, failure: null });
    try {
      await this.#client.runTurn(sessionId, text, { idempotencyKey });
    } catch (error) {
      this.#setOutbox(sessionId, { idempotencyKey, text, failure: explainError(error) });
    }
  }

  discard(sessionId: string, idempotencyKey: string): void {
    this.store.setState(({ outbox }) => {
      const left = outbox[sessionId]?.filter((one) => one.idempotencyKey !== idempotencyKey) ?? [];
      return { outbox: { ...outbox, [sessionId]: left } };
    });
  }

  async stop(sessionId: string): Promise<void> {
    await this.#client.stopTurn(sessionId);
  }

  async answer(
    sessionId: string,
    approvalId: string,
    decision: Decision,
    reason: string,
  ): Promise<void> {
    const because = reason === "" ? {} : { reason };
    await this.#client.answerQuestion(sessionId, approvalId, { decision, ...because });
  }

  async answerQuestion(
    sessionId: string,
    requestId: string,
    answer: { readonly input: Readonly<Record<string, unknown>> } | { readonly dismissed: true },
  ): Promise<void> {
    await this.#client.answerQuestion(sessionId, requestId, answer);
  }

  /** What the agents keep in their workspaces. */
  get files(): Pick<
    DiminuendoClient,
    "listFiles" | "readFile" | "fileHistory" | "fileAtIteration"
  > {
    return this.#client;
  }

  get automations(): AutomationCalls {
    return this.#client.automations;
  }

  /** Says it into the open turn; the durable word takes its place. */
  async steer(sessionId: string, text: string, idempotencyKey: string): Promise<void> {
    await this.#client.steer(sessionId, text, { idempotencyKey });
  }

  /** Runs it after the open turn. */
  async enqueue(sessionId: string, text: string, idempotencyKey: string): Promise<void> {
    await this.#client.runTurn(sessionId, text, { whenBusy: "enqueue", idempotencyKey });
  }

  async dequeue(sessionId: string, turnId: string): Promise<void> {
    await this.#client.stopTurn(sessionId, { turnId });
  }

  async people(): Promise<People> {
    return this.#client.manageMembers({ action: "list" });
  }

  async changeMembers(change: MemberAction): Promise<People> {
    return this.#client.manageMembers(change);
  }

  /** Asks the gateway's HTTP side to do something (docs/wire.md §6). Throws with a sentence for people. */
  postJson(path: string, body: unknown): Promise<unknown> {
    return this.#json(path, { method: "POST", body: JSON.stringify(body) });
  }

  /** Reads JSON of the gateway's HTTP side (docs/wire.md §6). Throws with a sentence for people. */
  fetchJson(path: string, signal: AbortSignal | null): Promise<unknown> {
    return this.#json(path, { signal });
  }

  async #json(path: string, init: RequestInit): Promise<unknown> {
    const headers = {
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...(init.body === undefined ? {} : { "content-type": "application/json" }),
    };
    const response = await fetch(`${this.#config.gatewayUrl}${path}`, { ...init, headers }).catch(
      (cause: unknown) => {
        throw new Error("The gateway cannot be reached right now.", { cause });
      },
    );
    if (response.ok) return await response.json().catch(cutShort);
    // What stands between us and the gateway may refuse in words that are not JSON; the status is told then.
    const body: unknown = await response.json().catch(() => null);
    const message = (body as { error?: { message?: unknown } } | null)?.error?.message;
    throw new Error(
      typeof message === "string" ? message : `The gateway answered ${response.status}.`,
    );
  }

  #listen(): void {
    const { store } = this;
    this.#client.on("connection", (connection) => {
      store.setState({ connection });
      if (connection.state === "connected") void this.refreshSessions();
    });
    this.#client.on("event", (event) => this.#batch.push({ kind: "event", event }));
    this.#client.on("snapshot", (snapshot) => this.#batch.push({ kind: "snapshot", snapshot }));
    this.#client.on("reset", ({ sessionId }) => this.#batch.push({ kind: "reset", sessionId }));
    this.#client.on("automationUpdated", () => this.#moved("automations"));
    this.#client.on("automationDeleted", () => this.#moved("automations"));
    this.#client.on("automationRunUpdated", () => this.#moved("automations"));
    this.#client.on("inboxChanged", () => this.#moved("inbox"));
    this.#client.on("sessionDeleted", ({ sessionId }) => {
      this.#batch.push({ kind: "deleted", sessionId });
      this.#setJoin(sessionId, { status: "failed", reason: "This session was deleted." });
    });
    this.#client.on("sessionUpdated", (session) => this.#batch.push({ kind: "session", session }));
  }

  /** Something about it is different; whoever shows it reads it again. */
  #moved(what: keyof GatewayState["moves"]): void {
    this.store.setState(({ moves }) => ({ moves: { ...moves, [what]: moves[what] + 1 } }));
  }

  #setJoin(sessionId: string, joining: Joining): void {
    this.store.setState(({ joins }) => ({ joins: { ...joins, [sessionId]: joining } }));
  }

  #setOutbox(sessionId: string, message: OutboxMessage): void {
    this.store.setState((state) => {
      const { outbox, views } = state;
      const key = message.idempotencyKey;
      const durable = views[sessionId]?.items.some(
        (item) => item.kind === "user" && item.idempotencyKey === key,
      );
      if (durable === true) return state;
      const others = outbox[sessionId]?.filter((one) => one.idempotencyKey !== key) ?? [];
      return { outbox: { ...outbox, [sessionId]: [...others, message] } };
    });
  }
}

function cutShort(cause: unknown): never {
  throw new Error("The gateway's answer was cut off; try again.", { cause });
}
