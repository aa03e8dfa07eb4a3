/**
 * Owns one watch over `/stream`: connect, subscribe, deliver, and after any loss reconnect and resume. It
 * remembers the last change seen by `seq`, so a cut in the middle of an atomic write neither skips nor
 * repeats one (C4). When history cannot be resumed it asks its owner to list again.
 */
import type { RpcError, SubscribeResult } from "./protocol.ts";
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
  /** The `/stream` address of each member, `ws://…`; any of them can resume where another ended. */
  readonly urls: readonly string[];
  readonly apiKey: string;
  readonly namespace: string;
}

interface Frame {
  readonly id?: number;
  readonly result?: SubscribeResult;
  readonly error?: RpcError;
  readonly method?: string;
  readonly params?: ChangeEvent;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
const COMPACTED_CLOSE = 4009;
/** Refusals that asking again cannot mend. */
const HOPELESS = new Set(["invalid_request", "unauthorized", "read_only", "unknown_method"]);

export class Watch {
  readonly #target: WatchTarget;
  readonly #options: WatchOptions;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
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
    const headers = { authorization: `Bearer ${this.#target.apiKey}` };
    const { urls } = this.#target;
    const url = urls[this.#dialled % urls.length] ?? "";
    this.#dialled += 1;
    const socket = new WebSocket(url, { headers });
    this.#socket = socket;
    socket.onopen = () => socket.send(this.#subscription());
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(String(data)) as Frame);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code === COMPACTED_CLOSE) void this.#reset("compacted");
      else this.#retry(reason || `connection closed (${code})`);
    };
  }

  /** One revision earlier when the last one may be incomplete; `#lastSeq` drops what is told again. */
  #subscription(): string {
    const { namespace } = this.#target;
    const partial = this.#lastSeq !== null && this.#revision !== null;
    const fromRevision = partial ? (this.#revision ?? 1) - 1 : this.#revision;
    const params = fromRevision === null ? { namespace } : { namespace, fromRevision };
    return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "watch/subscribe", params });
  }

  #receive(frame: Frame): void {
    if (frame.error !== undefined) this.#refused(frame.error);
    else if (frame.result !== undefined) this.#subscribed(frame.result);
    else if (frame.method === "watch/change" && frame.params !== undefined) {
      this.#deliver(frame.params);
    }
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
    this.#timer = setTimeout(() => this.#connect(), inMs);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#options.onStatus?.({ kind: "ended", reason });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
