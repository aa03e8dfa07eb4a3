/**
 * Owns checking a file of evidence with nothing but the file: every byte against the head's digest, every event
 * against the seal that covers it, the seals against each other, and the rows against the events that explain them.
 * Somebody who can rewrite the whole file can also make a new chain; a head kept elsewhere (`knownHead`) shows that.
 */
import { createHash } from "node:crypto";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { EVENT_FIELDS, type Evidence, type EvidenceSeal, unpackEvidence } from "./bundle.ts";

export interface EvidenceReport {
  readonly intact: boolean;
  readonly commandId: string;
  readonly tenantId: string;
  readonly commands: number;
  readonly events: number;
  /** Events too young to be sealed when the file was made: held by the digest only. */
  readonly unsealed: number;
  /** Events from which something was taken out on request; the record says by whom and why. */
  readonly redacted: number;
  /** Events that were forgotten, their time being over: what they said cannot be held against the rows any more. */
  readonly forgotten: number;
  /** The last link of the chain in the file, hexadecimal. */
  readonly head: string | null;
  /** What is wrong and where; empty when intact. */
  readonly problems: readonly string[];
}

const PROBLEMS_MAX = 50;

/** Checks `text`; `knownHead` is a head of the tenant's chain that somebody kept. */
export function verifyEvidence(text: string, knownHead?: string): EvidenceReport {
  const evidence = opened(text);
  if (typeof evidence === "string") return broken(evidence);
  const { events, seals } = evidence;
  const parsed = events.map((event) => parseEvent(event.text));
  // What is not sealed could have been written by anybody, so it vouches for nothing.
  const redactions = redactionsOf(parsed.filter((_event, n) => events[n]?.seal_no !== null));
  const problems = [
    ...sealedProblems(evidence, redactions),
    ...chainProblems(seals),
    ...parsed.flatMap((event, n) => (event === undefined ? [`event ${n + 1} cannot be read`] : [])),
    ...rowProblems(
      evidence,
      parsed.filter((event) => event !== undefined),
    ),
    ...(knownHead !== undefined && !seals.some((seal) => seal.hash === knownHead)
      ? ["the head that was kept is not in this chain"]
      : []),
  ];
  return {
    intact: problems.length === 0,
    commandId: evidence.command_id,
    tenantId: evidence.tenant_id,
    commands: evidence.commands.length,
    events: events.length,
    unsealed: events.filter((event) => event.seal_no === null).length,
    redacted: events.filter(({ text: one }) => redactions.has(digestOf(one))).length,
    forgotten: (evidence.forgotten ?? []).reduce((all, one) => all + one.events, 0),
    head: seals.at(-1)?.hash ?? null,
    problems: problems.slice(0, PROBLEMS_MAX),
  };
}

function opened(text: string): Evidence | string {
  try {
    return unpackEvidence(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function broken(problem: string): EvidenceReport {
  const nothing = {
    commandId: "",
    tenantId: "",
    commands: 0,
    events: 0,
    unsealed: 0,
    redacted: 0,
    forgotten: 0,
  };
  return { intact: false, ...nothing, head: null, problems: [problem] };
}

const sha256 = (...parts: readonly (Buffer | string)[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const digestOf = (text: string) => sha256(text).toString("hex");

/** From the digest of an event's text to the one it had before something was taken out, as other events say. */
type Redactions = ReadonlyMap<string, string>;

function redactionsOf(events: readonly (JsonObject | undefined)[]): Redactions {
  const told = events.flatMap((event) => {
    const payload = event?.["event_type"] === "record_redacted" ? event["payload"] : undefined;
    const list = isJsonObject(payload) ? payload["events"] : undefined;
    return Array.isArray(list) ? list.filter(isJsonObject) : [];
  });
  return new Map(told.map(({ before, after }) => [String(after), String(before)]));
}

/** The digest that a seal may know: the text's own, or one that it had before. */
function placeOf(digests: readonly string[], text: string, redactions: Redactions): number {
  const seen = new Set<string>();
  for (let one: string | undefined = digestOf(text); one !== undefined && !seen.has(one); ) {
    const place = digests.indexOf(one);
    if (place >= 0) return place;
    seen.add(one);
    one = redactions.get(one);
  }
  return -1;
}

/** Each event that says it is sealed is among those its seal covers, in the seal's order. */
function sealedProblems({ events, seals }: Evidence, redactions: Redactions): readonly string[] {
  const places = new Map<number, number>();
  return events.flatMap((event, n) => {
    if (event.seal_no === null) return [];
    const seal = seals.find((one) => one.seal_no === event.seal_no);
    const digests = seal?.event_digests;
    if (digests === undefined || digests === null) return [`event ${n + 1}: its seal is missing`];
    const place = placeOf(digests, event.text, redactions);
    if (place < 0)
      return [`event ${n + 1} was changed: its seal ${event.seal_no} does not know it`];
    const before = places.get(event.seal_no) ?? -1;
    places.set(event.seal_no, place);
    return place > before ? [] : [`event ${n + 1} is not in the order of its seal`];
  });
}

function chainProblems(seals: readonly EvidenceSeal[]): readonly string[] {
  return seals.flatMap((seal, n) => {
    const at = `seal ${seal.seal_no}`;
    const before = seals[n - 1];
    const count = Buffer.alloc(8);
    count.writeBigInt64BE(BigInt(seal.event_count));
    const [previous, content] = [
      Buffer.from(seal.previous_hash, "hex"),
      Buffer.from(seal.content, "hex"),
    ];
    const digests = seal.event_digests;
    const isContent =
      digests === null ||
      (digests.length === seal.event_count &&
        sha256(...digests.map((one) => Buffer.from(one, "hex"))).equals(content));
    const follows =
      before === undefined ||
      (before.hash === seal.previous_hash && before.seal_no + 1 === seal.seal_no);
    return [
      ...(isContent ? [] : [`${at}: the events it covers are not those it was made of`]),
      ...(sha256(previous, count, content).toString("hex") === seal.hash
        ? []
        : [`${at}: the seal itself was changed`]),
      ...(follows ? [] : [`${at}: it does not follow the one before it`]),
    ];
  });
}

function parseEvent(text: string): JsonObject | undefined {
  try {
    const values = JSON.parse(text) as Json;
    if (!Array.isArray(values) || values.length !== EVENT_FIELDS.length) return undefined;
    return Object.fromEntries(EVENT_FIELDS.map((name, n) => [name, values[n] ?? null]));
  } catch {
    return undefined;
  }
}

/** What the rows say happened is what the events say happened. */
function rowProblems(evidence: Evidence, events: readonly JsonObject[]): readonly string[] {
  const about = (id: Json | undefined, type: string) =>
    events.filter((event) => event["command_id"] === id && event["event_type"] === type);
  const payloadOf = (event: JsonObject | undefined): JsonObject =>
    isJsonObject(event?.["payload"]) ? event["payload"] : {};
  const ids = new Set(evidence.commands.map((one) => one["command_id"]));
  const thinned = new Set<Json>((evidence.forgotten ?? []).map((one) => one.command_id));
  const isWhole = (row: JsonObject) => !thinned.has(row["command_id"] ?? null);
  const foreign = events.filter(
    (event) => event["tenant_id"] !== evidence.tenant_id || !ids.has(event["command_id"] ?? null),
  );
  return [
    ...foreign.map((event) => `the event ${String(event["event_id"])} is of another command`),
    ...evidence.commands.filter(isWhole).flatMap((command) => {
      const id = command["command_id"];
      const to = payloadOf(about(id, "state_transitioned").at(-1))["to"] ?? "created";
      const at = `the command ${String(id)}`;
      return [
        ...(about(id, "command_created").length === 1 ? [] : [`${at} was not created once`]),
        ...(to === command["status"]
          ? []
          : [`${at} is ${String(command["status"])}, its events say ${String(to)}`]),
      ];
    }),
    ...evidence.approvals.filter(isWhole).flatMap((approval) => {
      const id = String(approval["approval_id"]);
      if (approval["status"] === "pending") return [];
      const external = `appr_${id.replaceAll("-", "")}`;
      const resolved = about(approval["command_id"], "approval_resolved")
        .map(payloadOf)
        .find((payload) => payload["approval_id"] === external);
      return resolved?.["decision"] === approval["decision"]
        ? []
        : [`the approval ${id} is ${String(approval["status"])}, its events say otherwise`];
    }),
    ...evidence.artifacts
      .filter(isWhole)
      .flatMap((artifact) =>
        about(artifact["command_id"], "artifact_created").length > 0
          ? []
          : [`the artifact ${String(artifact["artifact_id"])} has no event`],
      ),
  ];
}
