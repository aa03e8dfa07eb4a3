/**
 * Owns what travels on `/raft`: the handshake's headers and one JSON message a frame. A frame that is not
 * what it should be is an error here, and never reaches the core. Pure.
 */
import { type Incoming, type LogEntry, type NodeId, nodeId } from "./raft/types.ts";
import type { SnapshotFile } from "./snapshots.ts";

/** A message as sent: an offer also says where the bytes are. */
export type WireMessage = Incoming & { readonly file?: SnapshotFile };

/** Who dials, proven by the key that comes with it. */
export interface Greeting {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly incarnation: string;
  readonly address: string;
}

export const PEER_CLOSE = {
  /** The peer speaks another protocol. */
  malformed: 4400,
  /** The dialler's name was removed from the cluster. */
  removed: 4403,
  /** The dialler is of another cluster, or another disk under a known name. */
  stranger: 4409,
} as const;

const PREFIX = "x-concordance-";

export function greetingHeaders(greeting: Greeting): Record<string, string> {
  return {
    [`${PREFIX}cluster`]: greeting.clusterId,
    [`${PREFIX}node`]: greeting.nodeId,
    [`${PREFIX}incarnation`]: greeting.incarnation,
    [`${PREFIX}address`]: greeting.address,
  };
}

/** Null when a header is missing or too long. */
export function greetingOf(headers: Headers): Greeting | null {
  const [clusterId, id, incarnation, address] = ["cluster", "node", "incarnation", "address"].map(
    (name) => headers.get(PREFIX + name) ?? "",
  );
  const parts = [clusterId, id, incarnation, address];
  if (parts.some((part) => part === undefined || part === "" || part.length > 300)) return null;
  return {
    clusterId: clusterId ?? "",
    nodeId: nodeId(id ?? ""),
    incarnation: incarnation ?? "",
    address: address ?? "",
  };
}

/** Writes messages out. The same entries usually go to every follower, one right after the other. */
export class MessageWriter {
  #entries: readonly LogEntry[] = [];
  #text = "[]";

  textOf(message: Incoming | WireMessage): string {
    if (message.type !== "append_request") return JSON.stringify(message);
    const { entries, ...header } = message;
    return `${JSON.stringify(header).slice(0, -1)},"entries":${this.#textOf(entries)}}`;
  }

  #textOf(entries: readonly LogEntry[]): string {
    const { length } = entries;
    const same =
      length === this.#entries.length && entries.every((one, i) => one === this.#entries[i]);
    if (!same) {
      this.#entries = entries;
      this.#text = JSON.stringify(entries);
    }
    return this.#text;
  }
}

const NUMBERS: Readonly<Record<Incoming["type"], readonly string[]>> = {
  vote_request: ["term", "lastIndex", "lastTerm"],
  vote_reply: ["term"],
  append_request: ["term", "round", "prevIndex", "prevTerm", "throughIndex", "commitIndex"],
  append_reply: ["term", "round", "matchIndex", "hintIndex"],
  snapshot_offer: ["term", "round"],
  timeout_now: ["term"],
};

/** Reads a frame from `from` to `to`. Throws with the reason when it is no message of this protocol. */
export function messageOf(text: string, from: NodeId, to: NodeId): WireMessage {
  const value = JSON.parse(text) as Record<string, unknown>;
  const numbers = NUMBERS[value["type"] as Incoming["type"]];
  if (numbers === undefined) throw new Error("no such message type");
  if (value["from"] !== from || value["to"] !== to) throw new Error("wrong sender or receiver");
  for (const name of numbers) {
    const number = value[name];
    if (!Number.isSafeInteger(number) || (number as number) < 0) throw new Error(`bad ${name}`);
  }
  if (value["type"] === "append_request") checkEntries(value["entries"], value["prevIndex"]);
  return value as unknown as WireMessage;
}

function checkEntries(entries: unknown, prevIndex: unknown): void {
  if (!Array.isArray(entries)) throw new Error("no entries");
  for (const [offset, entry] of entries.entries()) {
    const { index, term, timeMs, payload } = entry as Record<string, unknown>;
    const inPlace = index === Number(prevIndex) + 1 + offset;
    const whole = Number.isSafeInteger(term) && Number.isSafeInteger(timeMs);
    if (!inPlace || !whole || typeof payload !== "string") throw new Error("bad entries");
  }
}
