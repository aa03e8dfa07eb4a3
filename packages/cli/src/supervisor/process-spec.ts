/** Owns the shape of what the supervisor runs and of what it tells; knows no service by name. */

/** `ready`, or a few words on what is still missing, shown while somebody waits. */
export type ProbeResult =
  | { readonly ready: true }
  | { readonly ready: false; readonly missing: string };

export interface ProcessSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Names that must be healthy before the first start of this one. */
  readonly dependsOn: readonly string[];
  /** Asks the process how it is. Must settle within a few seconds and never throw. */
  readonly probe: () => Promise<ProbeResult>;
  /** An attempt that is not healthy by then counts as failed and is ended. */
  readonly startTimeoutMs: number;
}

export type Phase = "waiting" | "starting" | "healthy" | "backing_off" | "stopping" | "stopped";

/** One change of one process, for progress lines and logs. */
export interface PhaseChange {
  readonly name: string;
  readonly phase: Phase;
  /** What it waits for, or why it ended; empty when there is nothing to say. */
  readonly detail: string;
  readonly pid: number | undefined;
}

/** The start cannot succeed. The message holds the last log lines and what to look at. */
export class StartFailed extends Error {
  readonly service: string;

  constructor(service: string, message: string) {
    super(message);
    this.name = "StartFailed";
    this.service = service;
  }
}
