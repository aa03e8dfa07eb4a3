/**
 * Owns what somebody sees while a stack starts: one line per service with its name, what it waits for and
 * the time so far. On a terminal the lines are redrawn in place; otherwise each change is a line of its own.
 */
import type { Phase, PhaseChange } from "../supervisor/process-spec.ts";

const REDRAW_MS = 100;
const DETAIL_CHARS_MAX = 60;
const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

interface Row {
  phase: Phase;
  detail: string;
  startedAtMs: number | undefined;
  readyAfterMs: number | undefined;
}

export interface Screen {
  readonly isTTY: boolean;
  write(text: string): void;
}

export class Progress {
  readonly #screen: Screen;
  readonly #rows: ReadonlyMap<string, Row>;
  readonly #nameWidth: number;
  #timer: Timer | undefined;
  #linesDrawn = 0;
  #tick = 0;

  constructor(names: readonly string[], screen: Screen) {
    this.#screen = screen;
    this.#rows = new Map(
      names.map((name) => [
        name,
        { phase: "waiting", detail: "", startedAtMs: undefined, readyAfterMs: undefined },
      ]),
    );
    this.#nameWidth = Math.max(...names.map((name) => name.length));
    if (screen.isTTY) this.#timer = setInterval(() => this.#redraw(), REDRAW_MS);
  }

  /** Takes one change at `nowMs`. */
  update(change: PhaseChange, nowMs: number): void {
    const row = this.#rows.get(change.name);
    if (row === undefined) return;
    const isNew = row.phase !== change.phase || row.detail !== change.detail;
    row.phase = change.phase;
    row.detail = change.detail;
    row.startedAtMs ??= nowMs;
    if (change.phase === "healthy") row.readyAfterMs ??= nowMs - row.startedAtMs;
    if (isNew && !this.#screen.isTTY)
      this.#screen.write(`${this.#line(change.name, row, nowMs)}\n`);
  }

  /** Draws the last state and leaves the lines where they are. */
  finish(): void {
    clearInterval(this.#timer);
    if (this.#screen.isTTY) this.#redraw();
    this.#linesDrawn = 0;
  }

  #redraw(): void {
    this.#tick += 1;
    const nowMs = Date.now();
    const up = this.#linesDrawn === 0 ? "" : `\x1b[${this.#linesDrawn}A`;
    const lines = [...this.#rows].map(([name, row]) => `\x1b[2K${this.#line(name, row, nowMs)}\n`);
    this.#screen.write(up + lines.join(""));
    this.#linesDrawn = lines.length;
  }

  #line(name: string, row: Row, nowMs: number): string {
    const elapsedMs =
      row.readyAfterMs ?? (row.startedAtMs === undefined ? 0 : nowMs - row.startedAtMs);
    const time = row.startedAtMs === undefined ? "" : `${(elapsedMs / 1000).toFixed(1)} s`;
    return `  ${this.#mark(row.phase)} ${name.padEnd(this.#nameWidth)}  ${time.padStart(6)}  ${wordsFor(row)}`.trimEnd();
  }

  #mark(phase: Phase): string {
    if (phase === "healthy") return "✓";
    if (phase === "backing_off") return "!";
    if (phase !== "starting" || !this.#screen.isTTY) return "·";
    return SPINNER[this.#tick % SPINNER.length] ?? "·";
  }
}

function wordsFor({ phase, detail }: Row): string {
  const short = detail.length > DETAIL_CHARS_MAX ? `${detail.slice(0, DETAIL_CHARS_MAX)}…` : detail;
  switch (phase) {
    case "waiting":
      return "waiting for its turn";
    case "starting":
      return short === "" ? "starting" : `starting, waiting for ${short}`;
    case "healthy":
      return "ready";
    case "backing_off":
      return short;
    case "stopping":
      return "stopping";
    case "stopped":
      return "stopped";
  }
}
