/**
 * Owns the life of turns between a person and Concord: accept, submit until answered, stop, resume at start.
 * Refuses to own: thoughts (`engine/thinker.ts`) and endings, which only the feed or a refusal brings.
 *
 * INVARIANT P10: a turn is committed before Concord hears of it, and Concord hears the same request each time
 * (same idempotency key, same history), so that repeating it makes one command.
 */
import { type Actor, ApiError, type Logger } from "@concert/service-kit";
import { chooseHistory, historyMessages } from "../runs/history.ts";
import type { Instance } from "../store/instances.ts";
import type { Removal } from "../store/removals.ts";
import type { Store } from "../store/store.ts";
import type { Turn, TurnCause } from "../store/turns.ts";
import { backOff } from "../upstream/backoff.ts";
import { type Answer, type Concord, ConcordUnavailable } from "../upstream/concord.ts";
import { bindTurn } from "./feed-ledger.ts";
import { unknownInstance } from "./instance-access.ts";

const OPEN_TURNS_MAX = 16;
const HISTORY_TURNS_MAX = 20;
/** Refusals that a person's words or rights bring about; any other means that Podium and Concord disagree. */
const PERSONS_DOING: ReadonlySet<string> = new Set([
  "validation_error",
  "request_too_large",
  "policy_denied",
  "forbidden",
]);
const STOP_REASON = "The person stopped the turn.";

export interface Ask {
  readonly turnId: string;
  readonly sessionId: string;
  readonly text: string;
  readonly traceId: string;
  /** Null for a turn that a person asks for. */
  readonly cause: TurnCause | null;
}

export class TurnDesk {
  readonly #store: Store;
  readonly #concord: Concord;
  readonly #log: Logger;
  readonly #onStop: (turn: Turn) => void;
  readonly #ending = new AbortController();
  /** Turns with a request to Concord under way or waiting to be repeated, by `turnSeq`. */
  readonly #driving = new Map<number, Promise<void>>();

  /** `onStop` is told of a turn after the wish to stop it is committed. */
  constructor(store: Store, concord: Concord, log: Logger, onStop: (turn: Turn) => void) {
    this.#store = store;
    this.#concord = concord;
    this.#log = log;
    this.#onStop = onStop;
  }

  /** Takes up every turn that still has something to ask of Concord. */
  start(): void {
    for (const turn of this.#store.turns.open()) this.#drive(turn);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#driving.values());
  }

  /** Accepts a turn; a known `turnId` with the same text changes nothing. Throws `ApiError`. */
  accept(instance: Instance, ask: Ask, actor: Actor): void {
    const turn = this.#store.write(() => this.#insert(instance, ask, actor));
    this.#drive(turn);
  }

  /** Keeps words for the turn's next thought. A turn that has ended reads nothing more. Throws `ApiError` 404. */
  steer(instance: Instance, turnId: string, steerId: string, text: string): void {
    const turn = this.#known(instance, turnId);
    if (turn.status === "open") {
      this.#store.write(() => this.#store.steers.add(steerId, turn.turnSeq, text));
    }
  }

  /** Records that a person wants the turn to stop. Throws `ApiError` 404 `unknown_turn`. */
  requestStop(instance: Instance, turnId: string, actor: Actor): void {
    const turn = this.#known(instance, turnId);
    if (turn.status !== "open") return; // It ended first: its end is in the log already.
    this.#store.write(() => this.#store.turns.setStop(turn.turnSeq, actor));
    this.#stopping(turn);
  }

  /** Stops an instance and its open turns, on behalf of `actor` or else of whoever asked each turn. */
  stopInstance(instance: Instance, actor: Actor | undefined): void {
    const open = this.#store.turns.openOf(instance.instanceId);
    this.#store.write(() => {
      this.#store.instances.setStatus(instance.instanceId, "stopped");
      for (const turn of open) this.#store.turns.setStop(turn.turnSeq, actor ?? turn.actor);
    });
    for (const turn of open) this.#stopping(turn);
  }

  /**
   * Removes an instance with everything it said and wrote, once nothing of it runs: until then its turns are stopped
   * and the answer is undefined. The same again answers the same. Throws `ApiError` 404 for another tenant's.
   */
  removeInstance(instanceId: string, actor: Actor): Removal | undefined {
    const { instances, removals, turns } = this.#store;
    const tenantId = actor.tenant;
    const done = removals.get(instanceId);
    const known = done ?? instances.get(instanceId);
    if (known !== undefined && known.tenantId !== tenantId) throw unknownInstance(instanceId);
    if (done !== undefined) return done;
    const instance = instances.get(instanceId);
    if (instance !== undefined && turns.openOf(instanceId).length > 0) {
      this.stopInstance(instance, actor);
      return undefined;
    }
    const removal = this.#store.remove({ instanceId, tenantId }, actor.user);
    const { turns: turnCount, events, files } = removal;
    const of = { instance_id: instanceId, tenant_id: tenantId, removed_by: actor.user };
    this.#log.info({ ...of, turns: turnCount, events, files }, "an instance was removed");
    return removal;
  }

  #known(instance: Instance, turnId: string): Turn {
    const turn = this.#store.turns.get(instance.instanceId, turnId);
    if (turn !== undefined) return turn;
    throw new ApiError(404, "unknown_turn", `This instance has no turn ${turnId}.`);
  }

  #insert(instance: Instance, ask: Ask, actor: Actor): Turn {
    const { instanceId } = instance;
    const known = this.#store.turns.get(instanceId, ask.turnId);
    if (known !== undefined) return sameAsk(known, ask);
    if (this.#store.turns.openOf(instanceId).length >= OPEN_TURNS_MAX) {
      const message = `${OPEN_TURNS_MAX} turns of this instance are unfinished; wait for one to end.`;
      throw new ApiError(429, "too_many_turns", message);
    }
    const history = chooseHistory(this.#store.turns.finished(instanceId, HISTORY_TURNS_MAX));
    this.#store.turns.insert({
      instanceId,
      ...ask,
      actor,
      historyTurnSeqs: history.map((turn) => turn.turnSeq),
      createdAt: this.#store.now(),
    });
    const turn = this.#store.turns.get(instanceId, ask.turnId);
    if (turn === undefined) throw new Error("a turn just inserted can be read");
    return turn;
  }

  #stopping(turn: Turn): void {
    this.#onStop(turn);
    this.#drive(turn);
  }

  #drive(turn: Turn): void {
    const { turnSeq } = turn;
    if (this.#driving.has(turnSeq) || this.#ending.signal.aborted) return;
    this.#driving.set(turnSeq, this.#work(turn));
  }

  /**
   * Asks Concord what the turn still needs, one request at a time, until nothing is left. Never rejects: what
   * fails, here or there, is asked again.
   */
  async #work({ instanceId, turnId, turnSeq }: Turn): Promise<void> {
    await Promise.resolve(); // `#driving` must know this work before it can end.
    for (let failures = 0; ; ) {
      const turn = this.#store.turns.get(instanceId, turnId);
      const request = turn === undefined ? undefined : this.#nextRequest(turn);
      if (request === undefined || this.#ending.signal.aborted) {
        this.#driving.delete(turnSeq);
        return;
      }
      try {
        await request();
        failures = 0;
      } catch (error) {
        if (this.#ending.signal.aborted) continue;
        failures += 1;
        const level = error instanceof ConcordUnavailable ? "warn" : "error";
        this.#log[level]({ err: error, turn_id: turnId, failures }, "will ask Concord again");
        await backOff(failures, this.#ending.signal);
      }
    }
  }

  #nextRequest(turn: Turn): (() => Promise<void>) | undefined {
    if (turn.status !== "open") return undefined;
    const { commandId, stopActor } = turn;
    if (commandId === null) return () => this.#submit(turn);
    if (stopActor === null || turn.cancelAnswered) return undefined;
    return () => this.#cancel(turn, commandId, stopActor);
  }

  async #submit(turn: Turn): Promise<void> {
    const instance = this.#store.instances.get(turn.instanceId);
    if (instance === undefined) throw new Error("a turn has an instance");
    const payload = {
      agent_type: instance.agentType,
      instance_id: turn.instanceId,
      session_id: turn.sessionId,
      turn_id: turn.turnId,
      text: turn.text,
      history: historyMessages(this.#store.turns.finishedBySeq(turn.historyTurnSeqs)),
    };
    const answer = await this.#concord.submitTurn(payload, turn, this.#ending.signal);
    this.#store.write(() => this.#settleSubmission(turn, answer));
  }

  #settleSubmission(asked: Turn, answer: Answer): void {
    const turn = this.#store.turns.get(asked.instanceId, asked.turnId) ?? asked;
    if (answer.kind === "accepted") {
      bindTurn(this.#store, turn, answer.commandId);
      return;
    }
    if (turn.commandId !== null || turn.status !== "open") return; // A step came first: it is a command.
    const { code, message, status } = answer;
    const level = PERSONS_DOING.has(code) ? "warn" : "error";
    this.#log[level]({ turn_id: turn.turnId, code, status }, "Concord refused a turn");
    this.#store.append(turn.instanceId, turn.turnId, {
      type: "error",
      content: { code, message },
      dedupKey: `refused:${turn.turnId}`,
    });
    this.#store.turns.end(turn.turnSeq, { status: "failed", finalText: "" }, this.#store.now());
    if (!this.#store.turns.anyUnbound()) this.#store.feed.dropHeld();
  }

  /** A refusal to cancel is an answer as well: the turn has ended, and the feed tells how. */
  async #cancel(turn: Turn, commandId: string, actor: Actor): Promise<void> {
    const caller = { actor, traceId: turn.traceId };
    const answer = await this.#concord.cancel(commandId, STOP_REASON, caller, this.#ending.signal);
    if (answer.kind === "refused" && answer.code !== "illegal_transition") {
      const { code, message } = answer;
      this.#log.error({ turn_id: turn.turnId, code, message }, "Concord refused to cancel a turn");
    }
    this.#store.write(() => this.#store.turns.setCancelAnswered(turn.turnSeq));
  }
}

function sameAsk(known: Turn, ask: Ask): Turn {
  if (known.text === ask.text && known.sessionId === ask.sessionId) return known;
  const message = `Turn ${ask.turnId} was sent before with another text or session; use a new turn_id.`;
  throw new ApiError(409, "idempotency_conflict", message);
}
