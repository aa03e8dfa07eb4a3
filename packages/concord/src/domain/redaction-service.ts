/**
 * Owns taking something out of the record on request: an authorised person names a place and says why; it is gone from
 * there and, by default, from whatever else is on record about the same command and those below it. The act is a command
 * on record itself, refused or not; it cannot be undone; done again it changes nothing. Refuses to own: SQL, and the
 * chain of digests, which goes on (postgres/audit-chain.ts).
 */
import type { Command } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, decodeId, encodeId } from "../core/ids.ts";
import { canonicalJson, type JsonObject, unstorable } from "../core/json.ts";
import { isPointer } from "../core/policy/pointers.ts";
import {
  isBearing,
  type Removal,
  redacted,
  redactedPayload,
  removalOf,
  scrubberFor,
} from "../core/redact.ts";
import type { Scrubber } from "../core/redaction.ts";
import { isResting } from "../core/vocabulary.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import type { Kit } from "./kit.ts";
import type { Store, Tx } from "./store.ts";
import type { Asking } from "./webhook-endpoints.ts";

/** Who may take something out of the record. */
export const REDACTION_ROLES = ["owner", "privacy_officer"] as const;

export const RECORD_KINDS = ["command", "approval", "artifact", "event"] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One row of the record, with the fields that may hold what people said. */
export interface RecordRow {
  readonly table: string;
  /** Opaque to callers. */
  readonly key: readonly string[];
  readonly commandId: CommandId | null;
  readonly tenantId: string;
  readonly fields: JsonObject;
}

/** That an event's text was changed: its digests from before and after, hexadecimal. */
export interface EventRedaction {
  readonly event_id: string;
  readonly before: string;
  readonly after: string;
}

export interface RedactionRepository {
  find(kind: RecordKind, id: string): Promise<RecordRow | undefined>;
  /** The command, all below it, and what people did about them; bounded. */
  family(commandId: CommandId): Promise<readonly CommandId[]>;
  /** Every row about these commands, locked; bounded. */
  rowsAbout(commandIds: readonly CommandId[]): Promise<readonly RecordRow[]>;
  /** Writes `fields` over the row's. Returns what has to go on record when the row is an event. */
  rewrite(row: RecordRow, fields: JsonObject): Promise<EventRedaction | undefined>;
}

export interface RedactionRequest {
  /** The outside form of a command, an approval, an artifact or an event. */
  readonly target: string;
  /** JSON Pointers such as `/payload/guest/email`, from the fields of the record. */
  readonly places: readonly string[];
  readonly reason: string;
  /** Default true: also wherever else it stands in what is on record about the command and those below it. */
  readonly everywhere?: boolean;
}

export interface RedactionOutcome {
  /** The act. */
  readonly commandId: CommandId;
  readonly target: string;
  /** How many rows were changed, by kind of row. */
  readonly changed: Readonly<Record<string, number>>;
  /** Values too short to be looked for elsewhere: gone from the named places only. */
  readonly notFollowed: number;
}

export interface RedactionService {
  /** Throws `not_found`, `forbidden`, `validation_error`, `illegal_transition` (something is still at work). */
  redact(asking: Asking, request: RedactionRequest): Promise<RedactionOutcome>;
}

const PLACES_MAX = 50;
const REASON_CHARACTERS_MAX = 2_000;
/** Digests on one event of the record. */
const TOLD_MAX = 500;

export function createRedactionService(store: Store, kit: Kit): RedactionService {
  return {
    redact: async (asking, request) => {
      check(request);
      const outcome = await store.transaction((tx) => redactWithin(tx, kit, asking, request));
      if (outcome instanceof Refusal) throw outcome;
      return outcome;
    },
  };
}

function check({ places, reason }: RedactionRequest): void {
  const problems = [
    ...(places.length === 0 || places.length > PLACES_MAX
      ? [`name 1 to ${PLACES_MAX} places`]
      : []),
    ...places
      .filter((place) => !isPointer(place))
      .map(
        (place) => `"${place.slice(0, 200)}" is not a JSON Pointer such as /payload/guest/email`,
      ),
    ...(reason.trim() === "" || reason.length > REASON_CHARACTERS_MAX
      ? [`reason needs 1 to ${REASON_CHARACTERS_MAX} characters`]
      : []),
    ...[unstorable(reason, "reason"), unstorable(places, "places")].filter(
      (one) => one !== undefined,
    ),
  ];
  if (problems.length > 0) throw new Refusal("validation_error", `${problems.join("; ")}.`);
}

async function redactWithin(
  tx: Tx,
  kit: Kit,
  asking: Asking,
  request: RedactionRequest,
): Promise<RedactionOutcome | Refusal> {
  const { kind, id } = targetOf(request.target);
  const found = await tx.redactions.find(kind, id);
  if (found === undefined || found.tenantId !== asking.principal.tenant) throw notFound();
  const target = found.commandId === null ? undefined : await tx.commands.lock(found.commandId);
  const family = found.commandId === null ? [] : await tx.redactions.family(found.commandId);
  const act = actOf(asking, request, target);
  const begun = await beginAct(tx, kit, act);
  const { principal } = asking;
  if (!REDACTION_ROLES.some((role) => principal.roles.includes(role))) {
    const message = `Only ${REDACTION_ROLES.join(" or ")} may take something out of the record.`;
    return refuseAct(tx, act, begun, new Refusal("forbidden", message));
  }
  const removal = removalFrom(found, kind, request.places);
  if (removal instanceof Refusal) return refuseAct(tx, act, begun, removal, "validation_error");
  const busy = await atWork(tx, family);
  if (busy !== undefined) return refuseAct(tx, act, begun, busy);
  await allowAct(tx, act, begun, `${principal.user} may take something out of the record`);
  const scrub = request.everywhere === false ? undefined : scrubberFor(removal);
  const rows = await rowsOf(tx, found, scrub === undefined ? [] : family);
  const reason = scrub === undefined ? request.reason : scrub.text(request.reason);
  const done = { by: principal.user, reason, act: begun };
  const changed = await rewriteAll(tx, asking, found, rows, removal, scrub, done);
  await finishAct(tx, begun, { target: request.target, changed });
  const { commandId } = begun;
  return { commandId, target: request.target, changed, notFollowed: removal.notFollowed };
}

function targetOf(text: string): { readonly kind: RecordKind; readonly id: string } {
  for (const kind of RECORD_KINDS) {
    const id = decodeId(kind, text);
    if (id !== undefined) return { kind, id };
  }
  throw notFound();
}

function notFound(): Refusal {
  const ids = RECORD_KINDS.map((kind) => encodeId(kind, "")).join("…, ");
  return new Refusal("not_found", `There is no such record; its id begins with one of ${ids}….`);
}

/** The act's own payload holds no word of what is taken out: places are names, the reason is looked through. */
function actOf(
  { principal, traceId }: Asking,
  { target: id, places, everywhere = true }: RedactionRequest,
  target: Command | undefined,
): Act {
  const payload = { target: id, places, everywhere };
  return {
    commandType: "redact_record",
    principal,
    traceId,
    payload,
    target,
    policy: "privacy_officer",
  };
}

function removalFrom(
  { fields }: RecordRow,
  kind: RecordKind,
  places: readonly string[],
): Removal | Refusal {
  const bearing = kind === "event" ? places.filter(isBearing) : [];
  if (bearing.length > 0) {
    const message = `The record rests on ${bearing.join(", ")}: that cannot be taken out.`;
    return new Refusal("validation_error", message);
  }
  const removal = removalOf(fields, places);
  if (!("missing" in removal)) return removal;
  const known = Object.keys(fields).join(", /");
  const message = `Nothing is at ${removal.missing.join(", ")}; a place begins with one of /${known}.`;
  return new Refusal("validation_error", message);
}

/** What is still at work needs what it was given, and what was approved is what runs (G5). */
async function atWork(tx: Tx, family: readonly CommandId[]): Promise<Refusal | undefined> {
  for (const id of family) {
    const command = await tx.commands.lock(id);
    if (command === undefined || isResting(command.status)) continue;
    const what = encodeId("command", id);
    return new Refusal("illegal_transition", `${what} is ${command.status}: wait, or cancel it.`);
  }
  return undefined;
}

async function rowsOf(
  tx: Tx,
  found: RecordRow,
  family: readonly CommandId[],
): Promise<readonly RecordRow[]> {
  if (family.length === 0) return [found];
  const about = await tx.redactions.rowsAbout(family);
  return about.some((row) => isSame(row, found)) ? about : [found, ...about];
}

function isSame(a: RecordRow, b: RecordRow): boolean {
  return a.table === b.table && a.key.join() === b.key.join();
}

interface Done {
  readonly by: string;
  readonly reason: string;
  readonly act: Command;
}

async function rewriteAll(
  tx: Tx,
  asking: Asking,
  found: RecordRow,
  rows: readonly RecordRow[],
  removal: Removal,
  scrub: Scrubber | undefined,
  done: Done,
): Promise<Readonly<Record<string, number>>> {
  const changed: Record<string, number> = {};
  const told = new Map<CommandId | null, EventRedaction[]>();
  for (const row of rows) {
    const pointers = isSame(row, found) ? removal.pointers : [];
    const fields = redactedRow(row, pointers, scrub);
    if (canonicalJson(fields) === canonicalJson(row.fields)) continue;
    changed[row.table] = (changed[row.table] ?? 0) + 1;
    const event = await tx.redactions.rewrite(row, fields);
    const events = told.get(row.commandId) ?? [];
    told.set(row.commandId, event === undefined ? events : [...events, event]);
  }
  for (const [commandId, events] of told) await tell(tx, asking, commandId, events, done);
  return changed;
}

function redactedRow(row: RecordRow, pointers: readonly string[], scrub: Scrubber | undefined) {
  if (row.table !== "domain_events") return redacted(row.fields, pointers, scrub);
  const payload = row.fields["payload"] as JsonObject;
  const inside = pointers.map((pointer) => pointer.slice("/payload".length));
  return { payload: redactedPayload(payload, inside, scrub) };
}

/** On the record of each command that something was taken from, so that its evidence explains itself. */
async function tell(
  tx: Tx,
  { principal, traceId }: Asking,
  commandId: CommandId | null,
  events: readonly EventRedaction[],
  { by, reason, act }: Done,
): Promise<void> {
  const command = commandId === null ? undefined : await tx.commands.find(commandId);
  const pages = Math.max(1, Math.ceil(events.length / TOLD_MAX));
  for (let page = 0; page < pages; page += 1) {
    const some = events.slice(page * TOLD_MAX, (page + 1) * TOLD_MAX);
    const payload = {
      redacted_by: by,
      reason,
      act: encodeId("command", act.commandId),
      events: some.map((one) => ({ ...one })),
    };
    await tx.events.append([
      {
        tenantId: principal.tenant,
        commandId,
        rootCommandId: command?.rootCommandId ?? null,
        parentCommandId: command?.parentCommandId ?? null,
        taskName: command?.taskName ?? null,
        eventType: "record_redacted",
        payload,
        actor: by,
        traceId,
      },
    ]);
  }
}
