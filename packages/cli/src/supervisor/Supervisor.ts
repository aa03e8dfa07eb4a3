/**
 * Owns the order between processes: each starts when what it needs is healthy, independent ones at the
 * same time, and all stop in the reverse of the order given. Refuses to own: any service by name.
 */
import { join } from "node:path";
import { LogFile } from "./LogFile.ts";
import { ManagedProcess } from "./ManagedProcess.ts";
import type { PhaseChange, ProcessSpec } from "./process-spec.ts";

const STOP_GRACE_MS = 10_000;

export interface SupervisorOptions {
  readonly logDir: string;
  readonly onChange: (change: PhaseChange) => void;
  readonly onLine?: (service: string, line: string) => void;
}

export class Supervisor {
  /** In the order given, which is also a valid order of start. */
  readonly #processes: ReadonlyMap<string, ManagedProcess>;
  #stopping: Promise<void> | undefined;

  constructor(specs: readonly ProcessSpec[], options: SupervisorOptions) {
    this.#processes = new Map(
      specs.map((spec) => {
        const onLine = (line: string) => options.onLine?.(spec.name, line);
        const log = new LogFile(join(options.logDir, `${spec.name}.log`), onLine);
        return [spec.name, new ManagedProcess(spec, log, options.onChange)];
      }),
    );
  }

  /** Resolves when every process is healthy; stops all and rejects with `StartFailed` otherwise. */
  async start(): Promise<void> {
    const started = new Map<string, Promise<void>>();
    for (const one of this.#processes.values()) {
      const needs = one.spec.dependsOn.flatMap((name) => started.get(name) ?? []);
      started.set(
        one.spec.name,
        Promise.all(needs).then(() => (this.#stopping === undefined ? one.start() : undefined)),
      );
    }
    try {
      await Promise.all(started.values());
    } catch (error) {
      await this.stop();
      await Promise.allSettled(started.values());
      throw error;
    }
  }

  /** Ends every process in reverse order, each within 10 s, by force after that. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopInReverse();
    return this.#stopping;
  }

  /** Ends everything at once, without asking. */
  killAll(): void {
    for (const one of this.#processes.values()) one.killGroup();
  }

  /** The process of that name. Throws when there is none. */
  process(name: string): ManagedProcess {
    const found = this.#processes.get(name);
    if (found === undefined) {
      throw new Error(
        `no service "${name}" runs here; running: ${[...this.#processes.keys()].join(", ")}`,
      );
    }
    return found;
  }

  all(): readonly ManagedProcess[] {
    return [...this.#processes.values()];
  }

  async #stopInReverse(): Promise<void> {
    for (const one of this.all().toReversed()) await one.stop(STOP_GRACE_MS);
  }
}
