/** Owns the figures of one run and what they are judged by: rows, targets, verdicts. Pure. */
import { quantile, table } from "../support/table.ts";

/**
 * `etcd` is its JSON gateway, `etcd gRPC` its native interface through its own client (events: a bare socket),
 * `etcd h2load` the same interface through a load generator that costs less, which judges nothing. All talk to the
 * same members.
 */
export type Column = "Concordance" | "etcd" | "etcd gRPC" | "etcd h2load";
type Unit = "/s" | "ms" | "MiB" | "µs" | "";

export interface Row {
  readonly id: string;
  readonly label: string;
  readonly unit: Unit;
  readonly must: readonly Target[];
}
/** Bounds Concordance's median, as a ratio to a column's or as such. */
type Target =
  | { readonly kind: "at_least"; readonly times: number; readonly of: Column }
  | { readonly kind: "at_most"; readonly times: number; readonly of: Column }
  | { readonly kind: "below"; readonly value: number };

const atLeast = (times: number, of: Column): Target => ({ kind: "at_least", times, of });
const atMost = (times: number, of: Column): Target => ({ kind: "at_most", times, of });
const below = (value: number): Target => ({ kind: "below", value });
const row = (id: string, label: string, unit: Unit, ...must: Target[]): Row => ({
  id,
  label,
  unit,
  must,
});

const [JSON_COLUMN, GRPC, CHEAP] = ["etcd", "etcd gRPC", "etcd h2load"] as const;
export const ROWS: readonly Row[] = [
  row("put-1-p50", "put, 1 client, p50", "ms", atMost(0.55, GRPC), atMost(0.55, JSON_COLUMN)),
  row("put-1-p99", "put, 1 client, p99", "ms", atMost(1, GRPC), atMost(1, JSON_COLUMN)),
  row("put-8-rate", "put, 8 clients", "/s", atLeast(2.5, GRPC), atLeast(2.5, JSON_COLUMN)),
  row("put-64-rate", "put, 64 clients", "/s", atLeast(2.5, GRPC), atLeast(3.3, JSON_COLUMN)),
  row("put-64-p99", "put, 64 clients, p99", "ms", atMost(0.5, GRPC), atMost(0.5, JSON_COLUMN)),
  row("put-256-rate", "put, 256 clients", "/s", atLeast(2, GRPC), atLeast(3.7, JSON_COLUMN)),
  row("put-64-cpu", "put, 64 clients, CPU of all members for one", "µs"),
  row("linearizable-1-p50", "linearizable get, 1 client, p50", "ms", atMost(0.55, GRPC)),
  row(
    "linearizable-64-rate",
    "linearizable get, 64 clients",
    "/s",
    atLeast(3, GRPC),
    atLeast(5, JSON_COLUMN),
  ),
  row("local-64-rate", "local get, 64 clients", "/s", atLeast(4, GRPC), atLeast(6.5, JSON_COLUMN)),
  row("local-64-cpu", "local get, 64 clients, CPU for one", "µs"),
  row("list-64-rate", "list of 100 keys by prefix, 64 clients", "/s", atLeast(4, JSON_COLUMN)),
  row("stall-load", "longest stall of the leader under that load", "ms", below(50)),
  row("stall-work", "of that: writing and applying without a pause", "ms"),
  row("watch-1-p50", "1 watcher: put to event, p50", "ms", atMost(0.55, GRPC)),
  row("watch-1-p99", "1 watcher: put to event, p99", "ms"),
  row("watch-1000-p50", "1,000 watchers: put to the last event, p50", "ms", atMost(0.6, GRPC)),
  row("watch-1000-p99", "1,000 watchers: put to the last event, p99", "ms", atMost(0.4, GRPC)),
  row("watch-lost", "events lost, repeated or out of order", "", below(0)),
  row("failover-SIGKILL", "leader killed: longest gap", "ms", atMost(0.3, JSON_COLUMN), below(400)),
  row("failover-SIGKILL-max", "leader killed: worst gap", "ms", below(900)),
  row("failover-SIGSTOP", "leader paused: longest gap", "ms", atMost(0.4, JSON_COLUMN)),
  row("failover-SIGTERM", "leader stopped: longest gap", "ms", atMost(1, JSON_COLUMN)),
  row("failover-lost", "acknowledged writes lost over all failovers", "", below(0)),
  row("kill-all-lost", "acknowledged writes lost, all members killed", "", below(0)),
  row("follower-down-p50", "put, 1 client, one follower killed, p50", "ms"),
  row("follower-down-ratio", "the same, times its own healthy p50", "", below(1.2)),
  row("rss-empty", "resident memory, empty", "MiB", below(60)),
  row("rss-100k", "resident memory, 100,000 keys", "MiB", atMost(0.6, JSON_COLUMN)),
  row("disk-100k", "data directory, 100,000 keys", "MiB", atMost(0.7, JSON_COLUMN)),
  row("restart-kill", "killed and restarted, 100,000 keys: ready", "ms", atMost(0.5, JSON_COLUMN)),
  row("restart-term", "stopped and restarted, 100,000 keys: ready", "ms", atMost(0.5, JSON_COLUMN)),
  row("snapshot", "snapshot saved, 100,000 keys", "ms", atMost(0.5, JSON_COLUMN)),
  row("snapshot-stall", "longest health answer meanwhile", "ms", below(20)),
  row("ttl-late", "expired key gone late by, median", "ms", below(100)),
  row("ttl-early", "keys gone early", "", below(0)),
];

export class Board {
  readonly #values = new Map<string, number[]>();
  readonly notes: string[] = [];

  record(id: string, column: Column, value: number): void {
    if (!ROWS.some((one) => one.id === id)) throw new Error(`no row ${id}`);
    const key = `${id}\n${column}`;
    this.#values.set(key, [...(this.#values.get(key) ?? []), value]);
  }

  /** The table of all rows that were measured, and the notes. */
  text(): string {
    const measured = ROWS.filter(({ id }) => this.#median(id, "Concordance") !== null);
    const head = ["", "Concordance", "etcd JSON", GRPC, CHEAP, "ratio", "must", "verdict"];
    const lines = measured.map((one) => this.#line(one));
    return [table(head, lines), ...this.notes].join("\n\n");
  }

  #line(one: Row): readonly string[] {
    const judged = one.must.map((target) => this.#judge(one.id, target));
    const columns = (["Concordance", JSON_COLUMN, GRPC, CHEAP] as const).map((column) =>
      this.#cell(one, column),
    );
    const verdict = judged.length === 0 ? "" : judged.every(({ met }) => met) ? "met" : "**short**";
    const ratios = judged.map(({ ratio }) => ratio).filter((text) => text !== "");
    return [
      one.label,
      ...columns,
      ratios.join(", "),
      judged.map(({ must }) => must).join(", "),
      verdict,
    ];
  }

  #judge(id: string, target: Target) {
    const own = this.#median(id, "Concordance") ?? Number.NaN;
    if (target.kind === "below") {
      const met = own <= target.value;
      return { ratio: "", must: `≤ ${target.value}`, met };
    }
    const other = this.#median(id, target.of);
    const name = target.of === GRPC ? "gRPC" : "JSON";
    const sign = target.kind === "at_least" ? "≥" : "≤";
    const must = `${sign} ${target.times}× ${name}`;
    if (other === null) return { ratio: "not measured", must, met: false };
    const ratio = own / other;
    const met = target.kind === "at_least" ? ratio >= target.times : ratio <= target.times;
    return { ratio: `${ratio.toFixed(2)}×`, must, met };
  }

  #cell({ id, unit }: Row, column: Column): string {
    const values = this.#values.get(`${id}\n${column}`) ?? [];
    if (values.length === 0) return "";
    const middle = shown(quantile(values, 0.5), unit);
    if (values.length === 1) return middle;
    return `${middle} (${shown(Math.min(...values), "")}–${shown(Math.max(...values), "")})`;
  }

  #median(id: string, column: Column): number | null {
    const values = this.#values.get(`${id}\n${column}`);
    return values === undefined ? null : quantile(values, 0.5);
  }
}

function shown(value: number, unit: Unit): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  const text = value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit === "" || unit === "/s" ? `${text}${unit}` : `${text} ${unit}`;
}
