/** Owns the runs of an in-memory runtime: begun once, cut and begun again, ended once, awaited. */
import type { RunState, WorkflowBody, WorkflowOutcome, WorkflowSpec } from "../protocol/index.ts";
import type { Clock } from "./clock.ts";
import { Interrupt, type Journal, journaledContext, newJournal } from "./context.ts";
import type { Ground } from "./ground.ts";

interface Run {
  readonly spec: WorkflowSpec;
  readonly journal: Journal;
  /** Set while a body is at work on it. */
  abort: AbortController | undefined;
  outcome: WorkflowOutcome | undefined;
  endedMs: number;
}

export interface RunsParts<Connection> {
  readonly ground: Ground<Connection>;
  readonly clock: Clock;
  readonly cutBefore: (workflowId: string, call: number, name: string) => boolean;
}

export class Runs<Connection> {
  readonly bodies = new Map<string, WorkflowBody<Connection>>();
  readonly #parts: RunsParts<Connection>;
  readonly #runs = new Map<string, Run>();
  readonly #watchers = new Set<() => void>();
  #isServing = false;

  constructor(parts: RunsParts<Connection>) {
    this.#parts = parts;
  }

  submit(spec: WorkflowSpec): void {
    if (this.#runs.has(spec.workflowId)) return;
    const journal = newJournal();
    const run: Run = { spec, journal, abort: undefined, outcome: undefined, endedMs: 0 };
    this.#runs.set(spec.workflowId, run);
    this.#begin(run);
  }

  serve(): void {
    this.#isServing = true;
    for (const run of this.#runs.values()) this.#begin(run);
  }

  /** What is at work is let go of, as by the end of the process: whatever it still does is not recorded. */
  cut(): void {
    this.#isServing = false;
    for (const run of this.#runs.values()) {
      run.abort?.abort(new Interrupt("crash"));
      run.abort = undefined;
    }
  }

  signal(workflowId: string, topic: string, payload: WorkflowSpec["input"]): void {
    this.#runs.get(workflowId)?.journal.inbox.put(topic, payload);
  }

  cancel(workflowId: string): void {
    const run = this.#runs.get(workflowId);
    if (run === undefined || run.outcome !== undefined) return;
    if (run.abort === undefined) this.#end(run, { state: "cancelled" });
    else run.abort.abort(new Interrupt("cancel"));
  }

  outcome(workflowId: string, timeoutMs: number): Promise<WorkflowOutcome> {
    return new Promise((resolve) => {
      const look = () => {
        const outcome = this.#runs.get(workflowId)?.outcome;
        if (outcome !== undefined) finish(outcome);
      };
      const finish = (outcome: WorkflowOutcome) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(outcome);
      };
      const timer = setTimeout(() => finish({ state: "running" }), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  isOpen(workflowId: string): boolean {
    const run = this.#runs.get(workflowId);
    return run !== undefined && run.outcome === undefined;
  }

  inspect(workflowId: string | null, executorId: string): RunState {
    const isAlive = this.#isServing;
    const live = { isExecutorAlive: isAlive, liveExecutors: isAlive ? 1 : 0 };
    const run = workflowId === null ? undefined : this.#runs.get(workflowId);
    if (run === undefined) return { state: "missing", executorId: null, ...live };
    return { state: run.outcome === undefined ? "taken" : "ended", executorId, ...live };
  }

  forgetEnded(beforeMs: number, limit: number): number {
    const ended = [...this.#runs.values()]
      .filter((run) => run.outcome !== undefined && run.endedMs < beforeMs)
      .slice(0, limit);
    for (const run of ended) this.#runs.delete(run.spec.workflowId);
    return ended.length;
  }

  #begin(run: Run): void {
    const body = this.bodies.get(run.spec.workflow);
    const isOver = run.abort !== undefined || run.outcome !== undefined;
    if (body === undefined || isOver || !this.#isServing) return;
    const abort = new AbortController();
    run.abort = abort;
    const { workflowId, input } = run.spec;
    const context = journaledContext({ ...this.#parts, workflowId, journal: run.journal, abort });
    const conclude = (outcome: WorkflowOutcome) => {
      if (run.abort === abort) this.#end(run, outcome);
    };
    body(context, input).then(
      (value) => conclude({ state: "succeeded", value }),
      (error: unknown) => {
        if (!(error instanceof Interrupt)) return conclude(failed(error));
        if (error.kind === "cancel") return conclude({ state: "cancelled" });
        // Cut off, not over: it goes on from its journal.
        if (run.abort === abort) run.abort = undefined;
      },
    );
  }

  #end(run: Run, outcome: WorkflowOutcome): void {
    run.abort = undefined;
    run.outcome = outcome;
    run.endedMs = this.#parts.clock.nowMs();
    for (const tell of [...this.#watchers]) tell();
  }
}

function failed(error: unknown): WorkflowOutcome {
  return { state: "failed", message: error instanceof Error ? error.message : String(error) };
}
