/** Owns the figures of one run and the bars they are held to. Pure. */
import { table } from "../support/table.ts";

export type Unit = "ms" | "MB" | "/s" | "%" | "µs" | "";

interface Bar {
  readonly id: string;
  readonly label: string;
  readonly unit: Unit;
  /** None: told for what it says about the others. */
  readonly bar?: { readonly atMost: number } | { readonly atLeast: number };
}

const row = (id: string, label: string, unit: Unit, bar?: Bar["bar"]): Bar =>
  bar === undefined ? { id, label, unit } : { id, label, unit, bar };

const BARS: readonly Bar[] = [
  row("idle-rss", "10,000 signed-in idle connections: resident memory", "MB", { atMost: 250 }),
  row("idle-rss-empty", "… and with none", "MB"),
  row("idle-connect", "… time to connect and sign in all of them", "ms"),
  row("stored-p50", "sessions of 2 viewers, stored deltas: delta to viewer, p50", "ms"),
  row("stored-p99", "… p99", "ms", { atMost: 15 }),
  row("stored-sent", "… deltas a second that the agent said", "/s"),
  row("stored-delivered", "… of them delivered, each once, in order", "%", { atLeast: 100 }),
  row("stored-kept", "… of them read back after kill -9, without Podium", "%", { atLeast: 100 }),
  row("stored-cpu", "… processor time of the gateway a delta", "µs"),
  row("stored-rss", "… resident memory", "MB"),
  row("stored-recovery", "… start after kill -9, every session in mid-turn", "ms"),
  row("fanout-p99", "one session, 1,000 viewers, 20 events/s: p99", "ms", { atMost: 50 }),
  row("fanout-delivered", "… delivered, each once, in order", "%", { atLeast: 100 }),
  row("broadcast-p99", "notice to a tenant's 10,000 connections: p99", "ms", { atMost: 200 }),
  row("broadcast-delivered", "… delivered", "%", { atLeast: 100 }),
  row("roundtrip", "messages through the router and back, 200 connections", "/s", {
    atLeast: 40_000,
  }),
  row("roundtrip-cpu", "… processor time of the gateway a message", "µs"),
  row("join-p50", "join with 1,000 missed events, to caught_up: p50", "ms"),
  row("join-p99", "… p99", "ms", { atMost: 25 }),
  row("kill-back", "kill -9 in mid-turn, restart, rejoin: longest until live again", "ms", {
    atMost: 2_000,
  }),
  row("kill-wrong", "… events missing, twice or out of order", "", { atMost: 0 }),
  row("kill-lost", "… acknowledged inputs lost", "", { atMost: 0 }),
  row("reconnect-all", "10,000 come back with cursors: the last is caught up", "ms", {
    atMost: 15_000,
  }),
  row("reconnect-refused", "… refused or closed", "", { atMost: 0 }),
  row("slow-closed", "paused reader: closed after its limit was reached", "ms", { atMost: 1_000 }),
  row("slow-code", "… with code 4008", "", { atLeast: 1 }),
  row("slow-others", "… the session's other viewer got everything", "%", { atLeast: 100 }),
  row("slow-held", "… bytes that waited for it, at most", "MB", { atMost: 2.1 }),
  row("slow-rss", "… lowest resident memory in three rounds after it, more than before it", "MB"),
  row("slow-rss-without", "… the same of two times three rounds without it", "MB"),
  row("flood-closed", "inbound flood: connections closed, of those opened, with 4029", "%", {
    atLeast: 100,
  }),
  row("flood-others", "… others' p99, times what it was without", "", { atMost: 2 }),
  row("start", "start to listening, median", "ms", { atMost: 200 }),
];

export class Board {
  readonly #values = new Map<string, number>();
  readonly notes: string[] = [];

  record(id: string, value: number): void {
    if (!BARS.some((one) => one.id === id)) throw new Error(`no row ${id}`);
    this.#values.set(id, value);
    process.stderr.write(`${id}: ${value.toFixed(2)}\n`);
  }

  note(text: string): void {
    this.notes.push(text);
    process.stderr.write(`${text}\n`);
  }

  /** The rows that were measured, and the notes. */
  text(): string {
    const lines = BARS.flatMap((one) => {
      const value = this.#values.get(one.id);
      return value === undefined ? [] : [lineOf(one, value)];
    });
    const rows = lines.length === 0 ? [] : [table(["", "measured", "bar", ""], lines)];
    return [...rows, ...this.notes].join("\n\n");
  }
}

function lineOf({ label, unit, bar }: Bar, value: number): readonly string[] {
  if (bar === undefined) return [label, shown(value, unit), "", ""];
  const met = "atMost" in bar ? value <= bar.atMost : value >= bar.atLeast;
  const must = "atMost" in bar ? `≤ ${shown(bar.atMost, unit)}` : `≥ ${shown(bar.atLeast, unit)}`;
  return [label, shown(value, unit), must, met ? "met" : "**short**"];
}

function shown(value: number, unit: Unit): string {
  // Never rounded up to what it is not: 99.996 % is not everything.
  const digits = Number.isInteger(value) || value >= 1_000 ? 0 : value >= 100 ? 2 : 1;
  const factor = 10 ** digits;
  const kept = unit === "%" ? Math.floor(value * factor) / factor : value;
  const text = kept.toLocaleString("en", { maximumFractionDigits: digits });
  return unit === "" || unit === "/s" ? `${text}${unit}` : `${text} ${unit}`;
}
