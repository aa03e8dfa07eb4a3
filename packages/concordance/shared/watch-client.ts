/**
 * Owns one watch over `/stream`: connect, subscribe, deliver, and after any loss reconnect and resume, at
 * another member if there is one. It remembers the last change seen by `seq`, so a cut in the middle of an
 * atomic write neither skips nor repeats one (C4). When history cannot be resumed it asks its owner to list
 * again. A side that gives no sign of life is left, however open its socket looks.
 */

import type { Trust } from "./exchange.ts";
import { CLOSE, type PingResult, type RpcError, type SubscribeResult } from "./protocol.ts";
import type { ChangeEvent } from "./types.ts";

/** Why resuming is impossible: changes are gone, or the cluster is not the one watched before. */
export type ResetReason = "compacted" | "other_cluster";
export type WatchStatus =
  | { readonly kind: "live"; readonly fromRevision: number }
  | { readonly kind: "reconnecting"; readonly reason: string; readonly inMs: number }
  /** Over for good: `close()` was called, or the owner's callback failed, or the request is refused. */
  | { readonly kind: "ended"; readonly reason: string };

export interface WatchOptions {
  /** Everything after this revision, e.g. that of a `list`; from now when absent. */
  readonly fromRevision?: number;
  /** Called in order, once a change. Must not throw: a throw ends the watch. */
  readonly onChange: (change: ChangeEvent) => void;
  /** List again, and return the list's revision: the watch goes on from there. */
  readonly onReset: (reason: ResetReason) => Promise<number>;
  readonly onStatus?: (status: WatchStatus) => void;
}
export interface WatchTarget {
  /** The HTTP address of each member; any of them can resume where another ended. */
  readonly urls: readonly string[];
  readonly apiKey: string;
  readonly namespace: string;
  readonly heartbeatMs: number;
  readonly trust: Trust;
}

interface Frame {
  readonly id?: number;
  readonly result?: SubscribeResult | PingResult;
  readonly error?: RpcError;
  readonly method?: string;
  readonly params?: ChangeEvent;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
const SUBSCRIBE_ID = 1;
const PING_ID = 2;
/** From here on a close code says that this side must be mended first. */
const HOPELESS_CLOSE = 4500;
/** Refusals that asking again cannot mend. */
const HOPELESS = new Set<string>([
  "invalid_request",
  "unauthorized",
  "read_only",
  "out_of_scope",
  "unknown_method",
]);

export class Watch {
  readonly #target: WatchTarget;
  readonly #options: WatchOptions;
  #socket: WebSocket | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #heardAtMs = 0;
  #ended = false;
  #failures = 0;
  #dialled = 0;
  #clusterId: string | null = null;
  /** All changes up to this revision were delivered, except those of it after `#lastSeq`. */
  #revision: number | null;
  #lastSeq: number | null = null;

  constructor(target: WatchTarget, options: WatchOptions) {
    this.#target = target;
    this.#options = options;
    this.#revision = options.fromRevision ?? null;
    this.#connect();
  }

  /** The revision delivered so far, or null before the first answer. */
  get revision(): number | null {
    return this.#revision;
  }

  close(): void {
    this.#end("closed");
  }

  #connect(): void {
    const { urls, apiKey, heartbeatMs, trust } = this.#target;
    const url = urls[this.#dialled % urls.length] ?? "";
    this.#dialled += 1;
    const headers = { authorization: `Bearer ${apiKey}` };
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/stream`, { headers, ...trust });
    let opened = false;
    this.#socket = socket;
    this.#heardAtMs = performance.now();
    this.#heartbeat = setInterval(() => this.#beat(socket), heartbeatMs);
    socket.onopen = () => {
      opened = true;
      socket.send(this.#subscription());
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(String(data)) as Frame);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code === CLOSE.compacted) void this.#reset("compacted");
      else if (code >= HOPELESS_CLOSE) this.#end(reason);
      else if (opened) this.#retry(reason || `connection closed (${code})`);
      else void this.#neverOpened(socket, url);
    };
  }

  /** An open socket proves nothing: the machine behind it may be gone, or cut off from its cluster. */
  #beat(socket: WebSocket): void {
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs >= 2 * this.#target.heartbeatMs) {
      this.#retry(`no sign of life for ${Math.round(silentMs)} ms`);
    } else if (socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: PING_ID, method: "ping" }));
    }
  }

  /** A refused upgrade looks like any failure; plain HTTP says whether the key is to blame. */
  async #neverOpened(socket: WebSocket, url: string): Promise<void> {
    const { apiKey, namespace, heartbeatMs, trust } = this.#target;
    const query = new URLSearchParams({ namespace, limit: "1" });
    const headers = { authorization: `Bearer ${apiKey}` };
    const signal = AbortSignal.timeout(heartbeatMs);
    const init = { headers, signal, ...trust };
    const status = await fetch(`${url}/api/v1/changes?${query}`, init).then(
      (response) => response.status,
      () => 0,
    );
    if (socket !== this.#socket) return;
    if (status === 401) this.#end("unauthorized: this key is not known there");
    else this.#retry("connection refused");
  }

  /** One revision earlier when the last one may be incomplete; `#lastSeq` drops what is told again. */
  #subscription(): string {
    const { namespace } = this.#target;
    const partial = this.#lastSeq !== null && this.#revision !== null;
    const fromRevision = partial ? (this.#revision ?? 1) - 1 : this.#revision;
    const params = fromRevision === null ? { namespace } : { namespace, fromRevision };
    const method = "watch/subscribe";
    return JSON.stringify({ jsonrpc: "2.0", id: SUBSCRIBE_ID, method, params });
  }

  #receive(frame: Frame): void {
    this.#heardAtMs = performance.now();
    if (frame.id === PING_ID) this.#answered(frame.result as PingResult | undefined);
    else if (frame.error !== undefined) this.#refused(frame.error);
    else if (frame.result !== undefined) this.#subscribed(frame.result as SubscribeResult);
    else if (frame.method === "watch/change" && frame.params !== undefined) {
      this.#deliver(frame.params);
    }
  }

  /** One that lives but does not serve may be cut off: another may know more. */
  #answered(result: PingResult | undefined): void {
    const missing = result?.missing ?? [];
    if (missing.length === 0 || this.#target.urls.length === 1) return;
    this.#retry(`not ready there: no ${missing.join(", ")}`);
  }

  #subscribed({ clusterId, fromRevision }: SubscribeResult): void {
    if (this.#clusterId !== null && this.#clusterId !== clusterId) {
      void this.#reset("other_cluster");
      return;
    }
    this.#clusterId = clusterId;
    this.#failures = 0;
    this.#revision ??= fromRevision;
    this.#options.onStatus?.({ kind: "live", fromRevision: this.#revision });
  }

  #deliver(change: ChangeEvent): void {
    if (this.#lastSeq !== null && change.seq <= this.#lastSeq) return;
    try {
      this.#options.onChange(change);
    } catch (error) {
      this.#end(`onChange failed: ${String(error)}`);
      return;
    }
    this.#revision = change.revision;
    this.#lastSeq = change.seq;
  }

  #refused({ message, data }: RpcError): void {
    if (data.code === "compacted") void this.#reset("compacted");
    else if (HOPELESS.has(data.code)) this.#end(message);
    else this.#retry(message);
  }

  /** The owner lists again while this side is disconnected; then all goes on from that list. */
  async #reset(reason: ResetReason): Promise<void> {
    this.#drop();
    try {
      this.#revision = await this.#options.onReset(reason);
      this.#lastSeq = null;
      this.#clusterId = null;
      if (!this.#ended) this.#connect();
    } catch (error) {
      this.#retry(`listing again failed: ${String(error)}`);
    }
  }

  #retry(reason: string): void {
    if (this.#ended) return;
    this.#drop();
    const ceilingMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
    const inMs = Math.round(ceilingMs * (0.5 + Math.random() / 2));
    this.#failures += 1;
    this.#options.onStatus?.({ kind: "reconnecting", reason, inMs });
    this.#retryTimer = setTimeout(() => this.#connect(), inMs);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#options.onStatus?.({ kind: "ended", reason });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#heartbeat);
    socket?.close();
  }
}
