/**
 * Owns what a broadcast engine has to be: a channel that carries texts to every gateway that listens. At most once is
 * enough, and so is losing all that was under way when a link breaks. Keeping connected is Broadcast.ts.
 */

export interface Engine {
  readonly name: "in-process" | "redis" | "nats";
  /** Connects; from then on `heard` is called for every text, our own among them. Rejects when it cannot. */
  readonly open: (heard: (text: string) => void) => Promise<Link>;
}

export interface Link {
  /** Resolves, with the reason, when the link is gone. Never rejects. */
  readonly lost: Promise<string>;
  /** In the order of the calls. Never throws: what cannot be sent is lost. */
  readonly publish: (text: string) => void;
  readonly close: () => void;
}
