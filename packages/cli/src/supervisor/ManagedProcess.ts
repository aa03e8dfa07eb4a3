/**
 * Owns one child: starting it, asking for its health, starting it again after a crash, ending it.
 * Refuses to own: the order between children (Supervisor.ts) and the delays (restart-policy.ts).
 *
 * P1 the child leads a process group of its own, so a Ctrl-C in the terminal reaches only the supervisor,
 * and a forced end reaches whatever the child started. P2 its standard input is a pipe that only the
 * supervisor holds: it closes with the supervisor, however that died, and the child then ends by itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { LogFile } from "./LogFile.ts";
import { type Phase, type PhaseChange, type ProcessSpec, StartFailed } from "./process-spec.ts";
import { afterExit, NO_FAILURES, type RestartHistory } from "./restart-policy.ts";

const PROBE_EVERY_MS = 100;
const TAIL_LINES = 20;
const LAST_WORDS_MS = 200;

interface Attempt {
  readonly child: ChildProcess;
  /** Settles once the child is gone, with a sentence on how it ended. */
  readonly ended: Promise<string>;
}

export class ManagedProcess {
  readonly spec: ProcessSpec;
  readonly log: LogFile;
  readonly #onChange: (change: PhaseChange) => void;
  readonly #healthWaiters = new Set<() => void>();
  readonly #interrupt = new AbortController();
  #phase: Phase = "waiting";
  /** The last change that was told; a probe that keeps failing alike is told once. */
  #told = "";
  #attempt: Attempt | undefined;
  #restarts = 0;
  #loop: Promise<void> | undefined;

  constructor(spec: ProcessSpec, log: LogFile, onChange: (change: PhaseChange) => void) {
    this.spec = spec;
    this.log = log;
    this.#onChange = onChange;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The running child, or undefined between attempts. */
  get pid(): number | undefined {
    return this.#attempt?.child.pid;
  }

  /** How often it was started again since the supervisor began. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Starts and resolves at the first health. Rejects with `StartFailed` when that is hopeless. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#loop = this.#keepRunning(resolve, reject);
    });
  }

  /** Resolves once the present or next attempt is healthy. */
  async waitHealthy(): Promise<void> {
    while (this.#phase !== "healthy") {
      if (this.#interrupt.signal.aborted) throw new Error(`${this.spec.name} was stopped`);
      await new Promise<void>((resolve) => this.#healthWaiters.add(resolve));
    }
  }

  /** Sends `signal` to the child alone and resolves once it is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const attempt = this.#attempt;
    if (attempt === undefined) throw new Error(`${this.spec.name} is not running`);
    attempt.child.kill(signal);
    await attempt.ended;
  }

  /** Ends for good: SIGTERM, and SIGKILL to the whole group after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#interrupt.abort();
    const attempt = this.#attempt;
    if (attempt !== undefined) {
      this.#move("stopping", "");
      await endAttempt(attempt, graceMs);
    }
    await this.#loop;
    this.#move("stopped", "");
  }

  /** Ends the child and whatever it started, at once. */
  killGroup(): void {
    this.#interrupt.abort();
    if (this.#attempt !== undefined) signalGroup(this.#attempt.child, "SIGKILL");
  }

  async #keepRunning(onHealthy: () => void, onHopeless: (error: Error) => void): Promise<void> {
    let history: RestartHistory = NO_FAILURES;
    let everHealthy = false;
    while (!this.#interrupt.signal.aborted) {
      const attempt = this.#spawn();
      const healthySinceMs = await this.#untilHealthy(attempt);
      if (healthySinceMs !== null) {
        everHealthy = true;
        onHealthy();
      }
      const how = await attempt.ended;
      this.#attempt = undefined;
      this.log.note({ msg: "ended", how });
      if (this.#interrupt.signal.aborted) break;
      const decision = afterExit(history, healthySinceMs, Date.now());
      history = decision.history;
      this.#restarts += 1;
      this.#move("backing_off", `${how}; starting again in ${decision.delayMs / 1000} s`);
      if (decision.hopeless && !everHealthy) return onHopeless(this.#failure(how));
      await interruptibleSleep(decision.delayMs, this.#interrupt.signal);
    }
    onHopeless(
      new StartFailed(this.spec.name, `${this.spec.name} was stopped before it was healthy`),
    );
  }

  #spawn(): Attempt {
    const [program, ...args] = this.spec.command;
    const env = { ...this.spec.env, CONCERT_SUPERVISED: "1" };
    const child = spawn(program, args, {
      cwd: this.spec.cwd,
      env,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A child that is already gone must not end us through its closed pipe.
    child.stdin.on("error", () => this.log.note({ msg: "standard input closed early" }));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => this.log.write(chunk));
    }
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(`could not start: ${error.message}`));
      child.once("exit", (code, signal) => {
        const how = signal === null ? `exit code ${code}` : `ended by ${signal}`;
        // Its last words may still be in the pipe; a grandchild may hold the pipe open for ever.
        setTimeout(() => resolve(how), LAST_WORDS_MS);
        child.once("close", () => resolve(how));
      });
    });
    this.#attempt = { child, ended };
    this.log.note({ msg: "started", pid: child.pid });
    this.#move("starting", "");
    return this.#attempt;
  }

  /** The time of the first health, or null when the attempt ended (or was ended here) without. */
  async #untilHealthy(attempt: Attempt): Promise<number | null> {
    const deadlineMs = Date.now() + this.spec.startTimeoutMs;
    const ended = attempt.ended.then(() => "ended" as const);
    while (Date.now() < deadlineMs) {
      const result = await Promise.race([this.spec.probe(), ended]);
      if (result === "ended" || this.#interrupt.signal.aborted) return null;
      if (result.ready) {
        this.#move("healthy", "");
        return Date.now();
      }
      this.#move("starting", result.missing);
      if ((await Promise.race([Bun.sleep(PROBE_EVERY_MS), ended])) === "ended") return null;
    }
    this.log.note({ msg: "not healthy in time", startTimeoutMs: this.spec.startTimeoutMs });
    signalGroup(attempt.child, "SIGKILL");
    return null;
  }

  #move(phase: Phase, detail: string): void {
    const told = `${phase} ${detail} ${this.pid}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#phase = phase;
    this.#onChange({ name: this.spec.name, phase, detail, pid: this.pid });
    if (phase !== "healthy" && !this.#interrupt.signal.aborted) return;
    for (const wake of this.#healthWaiters) wake();
    this.#healthWaiters.clear();
  }

  #failure(how: string): StartFailed {
    const lines = this.log.tail(TAIL_LINES).map((line) => `  ${line}`);
    return new StartFailed(
      this.spec.name,
      `${this.spec.name} did not become healthy (${how}). Its last lines:\n${lines.join("\n")}\nThe whole log: ${this.log.path}`,
    );
  }
}

async function endAttempt(attempt: Attempt, graceMs: number): Promise<void> {
  const force = setTimeout(() => signalGroup(attempt.child, "SIGKILL"), graceMs);
  attempt.child.kill("SIGTERM");
  await attempt.ended;
  clearTimeout(force);
  // What it may have left behind in its group goes with it.
  signalGroup(attempt.child, "SIGKILL");
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH (EPERM on macOS): the whole group is already gone, which is what was wanted.
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

function interruptibleSleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
