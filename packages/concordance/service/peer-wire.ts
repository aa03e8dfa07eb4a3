/**
 * Owns what travels on `/raft`: the handshake's headers, and one message a frame: a line of JSON, and the payloads of
 * its entries behind it as they are (inside of the JSON each of their quotes would be escaped). A frame that is not
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
  /** What it speaks; members that speak differently do not understand each other's frames. */
  readonly protocol: string;
}

/** Raise it when a frame changes its form. Before it was told, payloads travelled inside of the JSON. */
export const PEER_PROTOCOL = "2";
const UNTOLD_PROTOCOL = "1";

export const PEER_CLOSE = {
  /** The peer speaks another protocol. */
  malformed: 4400,
  /** The dialler is of a version that speaks differently. */
  otherProtocol: 4406,
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
    [`${PREFIX}protocol`]: greeting.protocol,
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
    protocol: headers.get(`${PREFIX}protocol`) ?? UNTOLD_PROTOCOL,
  };
}

/** An entry without its index, which follows from its place, and with the length of its payload. */
type EntryHead = readonly [
  term: number,
  timeMs: number,
  kind: LogEntry["kind"],
  payloadChars: number,
];

/** Writes messages out. The same entries usually go to every follower, one right after the other. */
export class MessageWriter {
  #entries: readonly LogEntry[] = [];
  #text = "[]}";

  textOf(message: Incoming | WireMessage): string {
    if (message.type !== "append_request") return JSON.stringify(message);
    const { entries, ...header } = message;
    return `${JSON.stringify(header).slice(0, -1)},"entries":${this.#textOf(entries)}`;
  }

  #textOf(entries: readonly LogEntry[]): string {
    const { length } = entries;
    const same =
      length === this.#entries.length && entries.every((one, i) => one === this.#entries[i]);
    if (same) return this.#text;
    const heads = entries.map(
      ({ term, timeMs, kind, payload }): EntryHead => [term, timeMs, kind, payload.length],
    );
    const payloads = entries.map(({ payload }) => payload).join("");
    this.#entries = entries;
    this.#text = `${JSON.stringify(heads)}}\n${payloads}`;
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

const SWITCHES: Readonly<Record<Incoming["type"], readonly string[]>> = {
  vote_request: ["preVote", "transfer"],
  vote_reply: ["preVote", "granted"],
  append_request: [],
  append_reply: ["success"],
  snapshot_offer: [],
  timeout_now: [],
};
/** Far beyond any real term or index, and far from where adding one is lost: neither may run out by a lie. */
const NUMBER_MAX = 2 ** 50;
const ENTRY_KINDS: ReadonlySet<unknown> = new Set(["noop", "command", "config"]);

/** Reads a frame from `from` to `to`. Throws with the reason when it is no message of this protocol. */
export function messageOf(text: string, from: NodeId, to: NodeId): WireMessage {
  const end = text.indexOf("\n");
  const line = end === -1 ? text : text.slice(0, end);
  const value = recordOf(JSON.parse(line), "message");
  const { type } = value;
  if (typeof type !== "string" || !Object.hasOwn(NUMBERS, type)) throw new Error("no such type");
  const kind = type as Incoming["type"];
  if (value["from"] !== from || value["to"] !== to) throw new Error("wrong sender or receiver");
  for (const name of NUMBERS[kind]) checkNumber(value[name], name);
  for (const name of SWITCHES[kind]) {
    if (typeof value[name] !== "boolean") throw new Error(`bad ${name}`);
  }
  const payloads = end === -1 ? "" : text.slice(end + 1);
  if (kind === "append_request") {
    value["entries"] = entriesOf(value["entries"], Number(value["prevIndex"]), payloads);
  } else if (payloads !== "") throw new Error("more than a message");
  if (kind === "snapshot_offer") checkOffer(value);
  return value as unknown as WireMessage;
}

function entriesOf(heads: unknown, prevIndex: number, payloads: string): readonly LogEntry[] {
  if (!Array.isArray(heads)) throw new Error("no entries");
  let at = 0;
  const entries = heads.map((head: unknown, offset): LogEntry => {
    if (!Array.isArray(head)) throw new Error("bad entry");
    const [term, timeMs, kind, chars] = head as readonly unknown[];
    const counts = { term: numberOf(term), timeMs: numberOf(timeMs) };
    const end = at + numberOf(chars);
    if (!isKind(kind) || end > payloads.length) throw new Error("bad entry");
    const payload = payloads.slice(at, end);
    at = end;
    if (kind === "config") checkMembership(JSON.parse(payload));
    return { index: prevIndex + 1 + offset, ...counts, kind, payload };
  });
  if (at !== payloads.length) throw new Error("more payload than entries");
  return entries;
}

function numberOf(value: unknown): number {
  checkNumber(value, "entry");
  return Number(value);
}

function isKind(kind: unknown): kind is LogEntry["kind"] {
  return ENTRY_KINDS.has(kind);
}

function checkOffer({ snapshot, file }: Record<string, unknown>): void {
  const { membership, ...facts } = recordOf(snapshot, "snapshot");
  for (const name of ["index", "lastTerm", "timeMs"]) checkNumber(facts[name], name);
  checkMembership(membership);
  const { name, sha256, bytes } = recordOf(file, "file");
  checkNumber(bytes, "bytes");
  const named = typeof name === "string" && /^[\w.-]{1,80}$/.test(name);
  if (!named || typeof sha256 !== "string") throw new Error("bad file");
}

function checkMembership(value: unknown): void {
  const { members, removed } = recordOf(value, "membership");
  if (!Array.isArray(members) || !Array.isArray(removed)) throw new Error("bad membership");
  for (const member of members) {
    const { nodeId: id, role, incarnation } = recordOf(member, "member");
    const isRole = role === "voter" || role === "learner";
    if (typeof id !== "string" || typeof incarnation !== "string" || !isRole) {
      throw new Error("bad member");
    }
  }
}

function checkNumber(value: unknown, name: string): void {
  const whole = typeof value === "number" && Number.isSafeInteger(value);
  if (!whole || value < 0 || value > NUMBER_MAX) throw new Error(`bad ${name}`);
}

function recordOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new Error(`bad ${what}`);
}
