/**
 * Owns an agent of the Agent Client Protocol whose sessions are the gateway's: which request is which call, and who is
 * signed in. It has no rights of its own: every call is the person's whose token it was given.
 */
import {
  type AgentApp,
  type AgentContext,
  agent,
  type ContentBlock,
  type InitializeResponse,
  PROTOCOL_VERSION,
  RequestError,
} from "@agentclientprotocol/sdk";
import { DiminuendoClient, GatewayError } from "@concert/sdk";
import { AcpSession } from "./AcpSession.ts";
import { asRpcError } from "./errors.ts";
import { Outbox } from "./Outbox.ts";
import { promptText } from "./prompt-text.ts";

export interface BridgeOptions {
  /** `ws://…/ws` */
  readonly gatewayUrl: string;
  /** Read anew at each sign-in; undefined where the gateway needs none. */
  readonly readToken: () => string | undefined;
  readonly agentType: string;
  readonly version: string;
  /** A line for the people who run it. */
  readonly log: (line: string) => void;
  /** Nothing more can be said to the client. */
  readonly onBroken: (error: Error) => void;
}

const SIGN_IN = "concert-token";
const LISTED_MAX = 100;

export class AcpBridge {
  readonly #options: BridgeOptions;
  readonly #gateway: DiminuendoClient;
  readonly #sessions = new Map<string, AcpSession>();
  #outbox: Outbox | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#gateway = new DiminuendoClient({ url: options.gatewayUrl });
    this.#listen();
  }

  /** The agent to connect to a stream, once. */
  app(): AgentApp {
    return agent({ name: "concert" })
      .onConnect(({ client }) => {
        this.#outbox = new Outbox(client, this.#options.onBroken);
      })
      .onRequest("initialize", () => this.#initialize())
      .onRequest("authenticate", ({ params }) => this.#authenticate(params.methodId))
      .onRequest("session/new", ({ params, client }) => this.#new(client, params))
      .onRequest("session/load", ({ params, client }) => this.#open(client, params, true))
      .onRequest("session/resume", ({ params, client }) => this.#open(client, params, false))
      .onRequest("session/list", ({ params }) => this.#list(params.cwd ?? process.cwd()))
      .onRequest("session/close", ({ params }) => this.#close(params.sessionId))
      .onRequest("session/prompt", ({ params }) => this.#prompt(params.sessionId, params.prompt))
      .onNotification("session/cancel", ({ params }) => this.#cancel(params.sessionId));
  }

  /** The client is gone. The turns go on. */
  end(): void {
    const error = new GatewayError("Disconnected", "The client went away.");
    for (const session of this.#sessions.values()) session.end(error);
    this.#gateway.disconnect();
  }

  #listen(): void {
    this.#gateway.on("event", (event) => this.#sessions.get(event.sessionId)?.receive(event));
    this.#gateway.on("reset", ({ sessionId }) => this.#sessions.get(sessionId)?.reset());
    this.#gateway.on("sessionUpdated", (session) =>
      this.#sessions.get(session.sessionId)?.renamed(session),
    );
    this.#gateway.on("sessionDeleted", ({ sessionId }) => {
      this.#sessions.get(sessionId)?.end(RequestError.sessionNotFound(sessionId));
      this.#sessions.delete(sessionId);
    });
    this.#gateway.on("authExpiring", () => void this.#renew());
    this.#gateway.on("problem", ({ code, message }) => this.#options.log(`${code}: ${message}`));
    this.#gateway.on("connection", (status) => {
      if (status.state === "reconnecting") this.#options.log(`reconnecting: ${status.reason}`);
      if (status.state !== "closed") return;
      const error = asRpcError(new GatewayError(status.code, status.reason));
      for (const session of this.#sessions.values()) session.disconnected(error);
    });
  }

  #initialize(): InitializeResponse {
    return {
      protocolVersion: PROTOCOL_VERSION,
      agentInfo: { name: "concert", title: "Concert", version: this.#options.version },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: { embeddedContext: true },
        sessionCapabilities: { list: {}, resume: {}, close: {} },
      },
      authMethods: [
        {
          id: SIGN_IN,
          name: "Concert token",
          description:
            "An access token or API key of your gateway, in CONCERT_TOKEN or in the file named by --token-file.",
        },
      ],
    };
  }

  async #authenticate(methodId: string) {
    if (methodId !== SIGN_IN) throw RequestError.invalidParams({ known: [SIGN_IN] });
    await this.#signedIn();
    return {};
  }

  async #signedIn(): Promise<void> {
    if (this.#gateway.status.state === "connected") return;
    try {
      this.#gateway.setToken(this.#options.readToken());
      await this.#gateway.connect();
    } catch (error) {
      throw asRpcError(error);
    }
  }

  /** A token file may hold a newer token by now. */
  async #renew(): Promise<void> {
    try {
      const token = this.#options.readToken();
      if (token !== undefined) await this.#gateway.authenticate(token);
    } catch (error) {
      this.#options.log(`the sign-in was not renewed: ${String(error)}`);
    }
  }

  async #new(client: AgentContext, { cwd, mcpServers }: Place): Promise<{ sessionId: string }> {
    await this.#signedIn();
    this.#warnOf(mcpServers);
    const name = cwd.split(/[\\/]/).findLast((part) => part !== "");
    const named = name === undefined ? {} : { name: name.slice(0, 200) };
    try {
      const { agentType } = this.#options;
      const { sessionId } = await this.#gateway.createSession({ agentType, ...named });
      await this.#joined(client, sessionId, false);
      return { sessionId };
    } catch (error) {
      throw asRpcError(error);
    }
  }

  async #open(
    client: AgentContext,
    place: Place & { readonly sessionId: string },
    replay: boolean,
  ) {
    await this.#signedIn();
    this.#warnOf(place.mcpServers ?? []);
    const { sessionId } = place;
    try {
      // Joined already: it is left first, so that its past is told once more and exactly once.
      await this.#close(sessionId);
      await this.#joined(client, sessionId, replay);
      return {};
    } catch (error) {
      throw asRpcError(error, sessionId);
    }
  }

  async #joined(client: AgentContext, sessionId: string, replay: boolean): Promise<void> {
    const outbox = this.#outbox;
    if (outbox === undefined) throw RequestError.internalError(undefined, "There is no client.");
    const { log } = this.#options;
    const session = new AcpSession(sessionId, { gateway: this.#gateway, client, outbox, log });
    this.#sessions.set(sessionId, session);
    try {
      await session.join(replay);
    } catch (error) {
      this.#sessions.delete(sessionId);
      throw error;
    }
  }

  async #list(cwd: string) {
    await this.#signedIn();
    const sessions = await this.#gateway.listSessions().catch((error: unknown) => {
      throw asRpcError(error);
    });
    return {
      sessions: sessions.slice(0, LISTED_MAX).map(({ sessionId, name, updatedAt }) => ({
        sessionId,
        cwd,
        title: name,
        updatedAt: new Date(updatedAt).toISOString(),
      })),
    };
  }

  async #close(sessionId: string) {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return {};
    await session.cancel();
    session.end(RequestError.sessionNotFound(sessionId));
    this.#sessions.delete(sessionId);
    await this.#gateway.leaveSession(sessionId);
    return {};
  }

  async #prompt(sessionId: string, prompt: readonly ContentBlock[]) {
    const said = promptText(prompt);
    if (said.refused !== undefined) {
      const why = `A prompt is text; this one holds ${said.refused}.`;
      throw RequestError.invalidParams(undefined, why);
    }
    await this.#signedIn();
    try {
      return { stopReason: await this.#session(sessionId).prompt(said.text) };
    } catch (error) {
      throw asRpcError(error, sessionId);
    }
  }

  async #cancel(sessionId: string): Promise<void> {
    try {
      await this.#session(sessionId).cancel();
    } catch (error) {
      this.#options.log(`session/cancel of ${sessionId}: ${String(error)}`);
    }
  }

  #session(sessionId: string): AcpSession {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw RequestError.sessionNotFound(sessionId);
    return session;
  }

  #warnOf(mcpServers: readonly unknown[] | undefined): void {
    if (mcpServers === undefined || mcpServers.length === 0) return;
    const what = `${mcpServers.length} MCP servers of the client are not used`;
    this.#options.log(`${what}: what an agent may call is decided by Concord's registry`);
  }
}

interface Place {
  readonly cwd: string;
  readonly mcpServers?: readonly unknown[];
}
