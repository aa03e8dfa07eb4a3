/**
 * Owns thoughts under way: one per step key, recorded moves answered from the log, attempts counted.
 * Refuses to own: what an agent thinks (`agents/`) and the HTTP answer (`api/agent-step-route.ts`).
 * Source: docs/wire.md §3.
 *
 * INVARIANT P3: a recorded move never changes; its step is never thought again.
 * INVARIANT P11: at most one thought per step key is under way; it does not depend on who waits for it.
 * INVARIANT P12: the move, the end of its message and its calls are one transaction.
 */
import { ApiError, continueTrace, type Logger, traceparent } from "@concert/service-kit";
import type { Agent, AgentWorkspace, Thought } from "../agents/agent.ts";
import type { AgentTypes } from "../agents/agent-types.ts";
import type { StepAnswer, StepRequest } from "../runs/agent-step.ts";
import { messageIdOf } from "../runs/derived-ids.ts";
import { foldMove, foldStepStart, moveOf } from "../runs/fold-step.ts";
import type { EventDraft } from "../runs/podium-events.ts";
import type { Steer } from "../runs/steer.ts";
import type { Instance } from "../store/instances.ts";
import type { Store } from "../store/store.ts";
import type { Turn } from "../store/turns.ts";
import { ModelFailure } from "../upstream/ensemble-client.ts";
import { bindTurn } from "./feed-ledger.ts";
import { MessageWriter } from "./message-writer.ts";
import { refuseEnded, turnStopped } from "./open-turn.ts";
import { doRound, mayUse } from "./workspace-desk.ts";

const THOUGHTS_MAX = 256;
const MESSAGE_CHARS_MAX = 200_000;
const CALLS_MAX = 32;
/** How long the end of the process waits for thoughts before it cuts them; Concord repeats those. */
const GRACE_MS = 6_000;

interface Subject {
  readonly instance: Instance;
  readonly turn: Turn;
  readonly agent: Agent;
}

/** One attempt at a thought, and what it reads beside its request. */
interface Start {
  readonly attempt: number;
  readonly steers: readonly Steer[];
}

interface LiveThought {
  readonly turnSeq: number;
  readonly abort: AbortController;
  readonly answer: Promise<StepAnswer>;
}

export class Thinker {
  readonly #store: Store;
  readonly #agents: AgentTypes;
  readonly #log: Logger;
  readonly #live = new Map<string, LiveThought>();
  #ending = false;

  constructor(store: Store, agents: AgentTypes, log: Logger) {
    this.#store = store;
    this.#agents = agents;
    this.#log = log;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** The agent's next move. Throws `ApiError` 404, 409 `turn_stopped`, 422 `model_refused`, 502 `model_failed`, 503. */
  async step(request: StepRequest): Promise<StepAnswer> {
    const recorded = this.#store.thoughts.recorded(request.step_key);
    if (recorded !== undefined) return recorded;
    const live = this.#live.get(request.step_key);
    if (live !== undefined) return live.answer;
    const subject = this.#subjectOf(request);
    if (this.#ending) throw endingError();
    if (this.#live.size >= THOUGHTS_MAX) {
      throw new ApiError(503, "busy", `${THOUGHTS_MAX} thoughts are under way; ask again shortly.`);
    }
    return this.#begin(request, subject);
  }

  /** Cuts the thoughts of a turn short: it was stopped, or has ended. */
  abandon(turn: Turn): void {
    for (const live of this.#live.values()) {
      if (live.turnSeq === turn.turnSeq) live.abort.abort(turnStopped(turn.turnId));
    }
  }

  async stop(): Promise<void> {
    this.#ending = true;
    const unfinished = () => [...this.#live.values()];
    const all = Promise.allSettled(unfinished().map((live) => live.answer));
    await Promise.race([all, Bun.sleep(GRACE_MS)]);
    for (const live of unfinished()) live.abort.abort(endingError());
    await Promise.allSettled(unfinished().map((live) => live.answer));
  }

  #subjectOf(request: StepRequest): Subject {
    const { instance_id, turn_id, command_id, agent_type } = request;
    const instance = this.#store.instances.get(instance_id);
    if (instance === undefined) {
      throw new ApiError(404, "unknown_instance", `There is no instance ${instance_id} here.`);
    }
    const turn = this.#store.turns.get(instance_id, turn_id);
    if (turn === undefined || (turn.commandId !== null && turn.commandId !== command_id)) {
      const message = `Instance ${instance_id} has no turn ${turn_id} with command ${command_id}.`;
      throw new ApiError(404, "unknown_turn", message);
    }
    const agent = this.#agents.get(agent_type);
    if (agent === undefined || agent_type !== instance.agentType) {
      const message = `Instance ${instance_id} runs ${instance.agentType}, not ${agent_type}.`;
      throw new ApiError(404, "unknown_instance", message);
    }
    return { instance, turn, agent };
  }

  #begin(request: StepRequest, subject: Subject): Promise<StepAnswer> {
    const start = this.#commitStart(request, subject.turn);
    const abort = new AbortController();
    const answer = this.#think(request, subject, start, abort).finally(() =>
      this.#live.delete(request.step_key),
    );
    // Whoever waits hears the failure; when nobody waits any more, it is still not a crash.
    answer.catch(() => undefined);
    this.#live.set(request.step_key, { turnSeq: subject.turn.turnSeq, abort, answer });
    return answer;
  }

  #commitStart(request: StepRequest, known: Turn): Start {
    return this.#store.write(() => {
      const turn = bindTurn(this.#store, known, request.command_id);
      refuseEnded(turn);
      const { instanceId, turnId } = turn;
      const messageId = messageIdOf(request.step_key);
      const attempt = this.#store.thoughts.begin(request.step_key, instanceId, turnId, messageId);
      const numbers = foldStepStart(request, attempt).map((draft) =>
        this.#store.append(instanceId, turnId, draft),
      );
      this.#store.thoughts.setAttemptEvent(request.step_key, numbers.at(-1) ?? 0);
      return { attempt, steers: this.#store.steers.readBy(turn.turnSeq, request.step_index) };
    });
  }

  async #think(
    request: StepRequest,
    subject: Subject,
    { attempt, steers }: Start,
    abort: AbortController,
  ): Promise<StepAnswer> {
    const { turn } = subject;
    const message = { message_id: messageIdOf(request.step_key), attempt };
    const append = (drafts: readonly EventDraft[]) => this.#commit(turn, drafts);
    const writer = new MessageWriter(message, append, (error) => abort.abort(error));
    try {
      const thought = await this.#listen(request, subject, steers, writer, abort.signal);
      abort.signal.throwIfAborted();
      const read = steers.filter(({ stepIndex }) => stepIndex === request.step_index);
      return this.#record(request, turn, thought, [...writer.finish(), ...read.map(steered)]);
    } catch (error) {
      writer.finish();
      const cause: unknown = abort.signal.aborted ? abort.signal.reason : error;
      abort.abort(cause); // Whatever the agent still holds open, such as a connection, ends here.
      throw this.#failureOf(cause, turn);
    }
  }

  async #listen(
    request: StepRequest,
    subject: Subject,
    steers: readonly Steer[],
    writer: MessageWriter,
    signal: AbortSignal,
  ): Promise<Thought> {
    const { agent, instance, turn } = subject;
    const stream = agent.think({
      step: request,
      steers,
      workspace: this.#workspaceOf(request, subject, writer),
      mayUse: (toolName) => mayUse(turn, toolName),
      tenantId: instance.tenantId,
      config: instance.config,
      askedAt: turn.createdAt,
      traceparent: traceparent(continueTrace(turn.traceId)),
      signal,
    });
    for (let chars = 0; ; ) {
      const next = await stream.next();
      if (next.done) return bounded(next.value);
      signal.throwIfAborted();
      chars += next.value.text.length;
      if (chars > MESSAGE_CHARS_MAX) throw tooMuch(`more than ${MESSAGE_CHARS_MAX} characters`);
      writer.push(next.value);
    }
  }

  #workspaceOf(request: StepRequest, subject: Subject, writer: MessageWriter): AgentWorkspace {
    const { step_key: stepKey, step_index: stepIndex, command_id: commandId } = request;
    const thinking = { ...subject, stepKey, stepIndex, commandId };
    return {
      rounds: this.#store.rounds.ofTurn(subject.turn.turnSeq),
      act: (said) => {
        if (said.calls.length > CALLS_MAX) throw tooMuch(`more than ${CALLS_MAX} calls at once`);
        return doRound(this.#store, thinking, said, writer.finish());
      },
    };
  }

  #commit(turn: Turn, drafts: readonly EventDraft[]): void {
    this.#store.write(() => {
      refuseEnded(this.#store.turns.get(turn.instanceId, turn.turnId) ?? turn);
      for (const draft of drafts) this.#store.append(turn.instanceId, turn.turnId, draft);
    });
  }

  #record(
    request: StepRequest,
    turn: Turn,
    thought: Thought,
    rest: readonly EventDraft[],
  ): StepAnswer {
    const move = moveOf(request.step_key, thought.text, thought.calls);
    const taskOf = new Map(request.tools.map((tool) => [tool.name, tool.task_name]));
    return this.#store.write(() => {
      refuseEnded(this.#store.turns.get(turn.instanceId, turn.turnId) ?? turn);
      for (const draft of [...rest, ...foldMove(move)]) {
        this.#store.append(turn.instanceId, turn.turnId, draft);
      }
      for (const call of move.kind === "tool_calls" ? move.calls : []) {
        this.#store.feed.nameCall(call.call_id, taskOf.get(call.tool_name) ?? call.tool_name);
      }
      this.#store.thoughts.record(request.step_key, move, thought.usage);
      return { move, usage: thought.usage };
    });
  }

  #failureOf(error: unknown, turn: Turn): unknown {
    if (!(error instanceof ModelFailure)) return error;
    const { retryable, code, message } = error;
    this.#log.warn({ turn_id: turn.turnId, trace_id: turn.traceId, code, retryable }, message);
    return retryable
      ? new ApiError(502, "model_failed", message)
      : new ApiError(422, "model_refused", message);
  }
}

/** Told with the move: a thought that came to nothing has read nothing. */
const steered = ({ steerId }: Steer): EventDraft => ({
  type: "steered",
  content: { steer_id: steerId },
  dedupKey: `steered:${steerId}`,
});

function bounded(thought: Thought): Thought {
  if (thought.calls.length > CALLS_MAX) throw tooMuch(`more than ${CALLS_MAX} calls in one move`);
  return thought;
}

function tooMuch(what: string): ModelFailure {
  return new ModelFailure(false, "answer_too_large", `The model's answer has ${what}.`);
}

function endingError(): ApiError {
  return new ApiError(503, "ending", "Podium is ending; ask again when it is back.");
}
