/**
 * Owns the calls of the protocol that are one question and one answer. What changes something carries an
 * `idempotencyKey`, and is therefore asked again by itself after a lost connection: it happens once.
 */
import { type Keyed, keyed } from "./keyed.ts";
import type {
  ClientMessage,
  DeletedSession,
  Events,
  FileContent,
  FileEntry,
  FileIteration,
  MemberAction,
  ServerMessage,
  ServerMessageOf,
  SessionMeta,
  WhenBusy,
} from "./protocol.ts";

export interface TurnReceipt {
  readonly sessionId: string;
  readonly turnId: string;
  /** Absent: it runs. `queued`: it waits for the open turn. `steering`: it was said into the open turn. */
  readonly state?: "queued" | "steering";
}

export abstract class GatewayCalls {
  protected abstract ask<T extends ServerMessage["type"]>(
    expected: T,
    message: ClientMessage,
    repeatable?: boolean,
  ): Promise<ServerMessageOf<T>>;

  /** Every session of the tenant, those used last first, over as many pages as it takes. */
  async listSessions(options: { includeArchived?: boolean } = {}): Promise<readonly SessionMeta[]> {
    const ask = { type: "list_sessions", ...options } as const;
    const all: SessionMeta[] = [];
    let page = await this.ask("session_list", ask);
    while (all.push(...page.sessions) > 0 && page.cursor !== undefined) {
      page = await this.ask("session_list", { ...ask, cursor: page.cursor });
    }
    return all;
  }

  async createSession(options: { agentType: string; name?: string } & Keyed): Promise<SessionMeta> {
    const message = { type: "create_session", ...options, ...keyed(options) } as const;
    return (await this.ask("session_created", message)).session;
  }

  async renameSession(sessionId: string, name: string, options: Keyed = {}): Promise<SessionMeta> {
    const message = { type: "rename_session", sessionId, name, ...keyed(options) } as const;
    return (await this.ask("session_updated", message)).session;
  }

  async archiveSession(sessionId: string, options: Keyed = {}): Promise<SessionMeta> {
    const message = { type: "archive_session", sessionId, ...keyed(options) } as const;
    return (await this.ask("session_updated", message)).session;
  }

  async unarchiveSession(sessionId: string, options: Keyed = {}): Promise<SessionMeta> {
    const message = { type: "unarchive_session", sessionId, ...keyed(options) } as const;
    return (await this.ask("session_updated", message)).session;
  }

  /**
   * The session and everything in it is gone for good; its agent's log and files follow as soon as Podium can be asked.
   * Refused while a turn is open.
   */
  async deleteSession(sessionId: string, options: Keyed = {}): Promise<void> {
    await this.ask("session_deleted", { type: "delete_session", sessionId, ...keyed(options) });
  }

  /** Who deleted which session, the newest first; `cursor` reads the page before. */
  async listDeletedSessions(
    options: { cursor?: string; limit?: number } = {},
  ): Promise<{ readonly deletions: readonly DeletedSession[]; readonly cursor: string | null }> {
    const message = { type: "list_deleted_sessions", ...options } as const;
    const { deletions, cursor = null } = await this.ask("deleted_sessions", message);
    return { deletions, cursor };
  }

  /** Resolves when the turn is durable. `whenBusy` says what becomes of it while another is open. */
  async runTurn(
    sessionId: string,
    text: string,
    options: { whenBusy?: WhenBusy } & Keyed = {},
  ): Promise<TurnReceipt> {
    const message = { type: "run_turn", sessionId, text, ...options, ...keyed(options) } as const;
    const { turnId, state } = await this.ask("turn_accepted", message);
    return { sessionId, turnId, ...(state === undefined ? {} : { state }) };
  }

  /**
   * Stops the open turn, or the open or queued turn `turnId`. Not repeated after a lost connection, unless an
   * `idempotencyKey` is given: by then another turn may be running. Fails `ConnectionLost`.
   */
  async stopTurn(
    sessionId: string,
    options: { turnId?: string } & Keyed = {},
  ): Promise<TurnReceipt> {
    const message = { type: "stop_turn", sessionId, ...options } as const;
    const { turnId } = await this.ask("stop_accepted", message, "idempotencyKey" in options);
    return { sessionId, turnId };
  }

  /** Says something into the open turn; if the turn ends before the agent reads it, it becomes the next turn. */
  async steer(
    sessionId: string,
    content: string,
    options: Keyed = {},
  ): Promise<TurnReceipt & { readonly steerId: string }> {
    const message = { type: "steer", sessionId, content, ...keyed(options) } as const;
    const { turnId, steerId } = await this.ask("steer_accepted", message);
    return { sessionId, turnId, steerId };
  }

  /** A page of the conversation in whole messages, the newest first; `cursor` reads the page before. */
  async getHistory(
    sessionId: string,
    options: { cursor?: string; limit?: number } = {},
  ): Promise<Pick<ServerMessageOf<"history">, "messages" | "cursor">> {
    const { messages, cursor } = await this.ask("history", {
      type: "get_history",
      sessionId,
      ...options,
    });
    return { messages, cursor };
  }

  /**
   * A page of the durable log: at most `limit` (1–1,000, default 200) events, the oldest after `afterSeq`, or with
   * `beforeSeq` the newest before that.
   */
  async getEvents(
    sessionId: string,
    options: { afterSeq?: number; beforeSeq?: number; limit?: number } = {},
  ): Promise<Events> {
    return this.ask("events", { type: "get_events", sessionId, ...options });
  }

  async listFiles(
    sessionId: string,
    options: { path?: string; depth?: number } = {},
  ): Promise<readonly FileEntry[]> {
    return (await this.ask("file_list", { type: "list_files", sessionId, ...options })).entries;
  }

  async readFile(sessionId: string, path: string): Promise<FileContent> {
    return (await this.ask("file_content", { type: "read_file", sessionId, path })).file;
  }

  async fileHistory(sessionId: string, path: string): Promise<readonly FileIteration[]> {
    const message = { type: "file_history", sessionId, path } as const;
    return (await this.ask("file_history", message)).iterations;
  }

  async fileAtIteration(sessionId: string, path: string, iteration: number): Promise<FileContent> {
    const message = { type: "file_at_iteration", sessionId, path, iteration } as const;
    return (await this.ask("file_content", message)).file;
  }

  /** Changes who belongs to the tenant, and answers who then does. */
  async manageMembers(
    change: MemberAction,
    options: Keyed = {},
  ): Promise<Pick<ServerMessageOf<"members">, "members" | "invitations">> {
    const message = { type: "manage_members", change, ...keyed(options) } as const;
    const { members, invitations } = await this.ask("members", message);
    return { members, invitations };
  }

  /** The gateway's clock, epoch ms. */
  async ping(): Promise<{ readonly ts: number }> {
    const { ts } = await this.ask("pong", { type: "ping" });
    return { ts };
  }
}
