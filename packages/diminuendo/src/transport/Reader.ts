/** Owns what fan-out needs of whoever reads a session: a WebSocket, or a stream of server-sent events. */

export interface Reader {
  readonly isClosed: boolean;
  readonly sendText: (text: string) => void;
  /** True if it was too slow and is being closed. */
  readonly closeIfSlow: () => boolean;
  readonly close: (code: number, reason: string) => void;
  /** Resolves once little enough waits, or the reader is gone. */
  readonly drainedBelow: (bytes: number) => Promise<void>;
  readonly subscribe: (topic: string) => void;
  readonly unsubscribe: (topic: string) => void;
  readonly unsubscribeAll: () => void;
}

/** Whoever caused a change: its tenant's others are told, it has its own answer. */
export interface Cause {
  readonly publishToOthers: (topic: string, text: string) => void;
  /** The connection that has a direct answer at another gateway, if it was that one's client. */
  readonly origin?: string;
}
