/**
 * Owns taking a command as far as it goes without waiting, inside one runtime step: ask the rows what is next, call,
 * record, ask again. Each call is three moments, never a transaction across it: the commit that decides on it also
 * says `executing`, the vendor is called, and the commit of its outcome decides what comes after it. Entered again at
 * any point, the rows say where it was. Refuses to own: deciding (domain/engine.ts), the call itself (domain/connector-attempt.ts).
 */
import { SpanStatusCode } from "@opentelemetry/api";
import type { CommandId } from "../core/ids.ts";
import { begin, type Call, conclude, reach, type Vendors } from "../domain/connector-attempt.ts";
import type { Called } from "../domain/connector-call.ts";
import { type Directive, DONE } from "../domain/directive.ts";
import { advance, advanceFrom } from "../domain/engine.ts";
import type { Kit } from "../domain/kit.ts";
import type { Store, Tx } from "../domain/store.ts";
import { isConnectionLost } from "../postgres/connection.ts";
import { inSpan, spanIdOf } from "./spans.ts";

export interface ProceedParts {
  readonly store: Store;
  readonly kit: Kit;
  readonly vendors: Vendors;
  /** Throws when another executor was given the run. Asked right before every call. */
  readonly assertOwned: () => Promise<void>;
}

/** Another call may begin in the same step until then; a longer chain of calls is checkpointed in between. */
const STEP_LASTS_MS = 5_000;

/** What can only be done outside this step; null: ask again in another one. */
export type Outside = Exclude<Directive, { kind: "attempt" }> | null;

export async function proceed(parts: ProceedParts, commandId: CommandId): Promise<Outside> {
  const { store, kit } = parts;
  const untilMs = kit.nowMs() + STEP_LASTS_MS;
  let next: Next | undefined;
  for (;;) {
    next ??= await store.transaction((tx) => decide(tx, parts, commandId));
    if ("outside" in next) return next.outside;
    if ("waitMs" in next) {
      const { waitMs } = next;
      if (kit.nowMs() + waitMs > untilMs) return { kind: "wait", untilMs: kit.nowMs() + waitMs };
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      next = undefined;
      continue;
    }
    next = await call(parts, next.call, untilMs);
  }
}

type Next =
  | { readonly outside: Outside }
  | { readonly call: Call }
  /** The connector's rate: nothing was begun, so a command stopped meanwhile calls nobody (CAN-9). */
  | { readonly waitMs: number };

/** Commits what is decided, and the intent to call when that is what comes next. */
async function decide(tx: Tx, parts: ProceedParts, commandId: CommandId): Promise<Next> {
  return enter(tx, parts, await advance(tx, parts.kit, commandId));
}

async function enter(tx: Tx, { kit, vendors }: ProceedParts, directive: Directive): Promise<Next> {
  if (directive.kind !== "attempt") return { outside: directive };
  const begun = await begin(tx, kit, vendors.gate, directive);
  // Settled without a call: the rows know more than they did.
  if (begun === undefined) return { outside: null };
  return "waitMs" in begun ? begun : { call: begun };
}

/** The call as a span: what is called and how it ended, not what was said. */
function traced(
  { command, source, probing }: Call,
  work: (spanId: string | undefined) => Promise<Called>,
): Promise<Called> {
  const { commandId, traceId, taskName } = command;
  const { connector, operationName, operation } = source;
  const attributes = {
    "concord.task": taskName,
    "concord.connector": connector,
    "concord.operation": operationName,
    "concord.side_effect": operation.sideEffect,
    "concord.probing": probing,
  };
  const name = `${connector}.${operationName}`;
  return inSpan(name, { commandId, traceId, attributes, isOutward: true }, async (span) => {
    const called = await work(spanIdOf(span));
    const { result, reconciled } = called;
    span.setAttributes({ "concord.ok": result.ok, "concord.reconciled": reconciled });
    if (!result.ok) span.setStatus({ code: SpanStatusCode.ERROR, message: result.errorClass });
    return called;
  });
}

/** Calls, and commits what came of it with what comes next: until `untilMs`, that may be the next call. */
async function call(parts: ProceedParts, begun: Call, untilMs: number): Promise<Next> {
  const { store, kit, vendors, assertOwned } = parts;
  await assertOwned();
  const startedMs = kit.nowMs();
  const called = await traced(begun, (spanId) => reach(store, kit, vendors.secrets, begun, spanId));
  const latencyMs = Math.max(0, Math.round(kit.nowMs() - startedMs));
  const outcome = (tx: Tx) => conclude(tx, kit, begun, called, latencyMs);
  try {
    return await store.transaction(async (tx) => {
      const command = await outcome(tx);
      const directive = command === undefined ? DONE : await advanceFrom(tx, kit, command);
      if (directive.kind === "attempt" && kit.nowMs() >= untilMs) return { outside: null };
      return enter(tx, parts, directive);
    });
  } catch (error) {
    // A commit whose answer was lost may have been one: the step is entered again and finds out.
    if (isConnectionLost(error)) throw error;
    // What happened outside is on record whatever is wrong with deciding what comes after it.
    await store.transaction(outcome);
    throw error;
  }
}
