/**
 * Owns what a subject under measurement does when told to: the same load, in the same way, whatever the subject.
 * Orders come as lines of JSON on standard input; each is answered with one line.
 */
import { createInterface } from "node:readline";
import type pg from "pg";
import { postgresCpuSeconds } from "../support/postgres-cpu.ts";

export interface Subject {
  readonly pool: pg.Pool;
  /** Asks for one piece of work; resolves when that is durable. */
  submit(n: number): Promise<string>;
  isDone(id: string): Promise<boolean>;
  /** How many are done, of all. */
  doneCount(): Promise<number>;
  /** Orders that only this subject knows. */
  readonly more: Readonly<Record<string, (order: Order) => Promise<unknown>>>;
}

export interface Order {
  readonly kind: string;
  readonly count: number;
  readonly perSecond: number;
}

export interface LoadResult {
  readonly submitMs: readonly number[];
  readonly doneMs: readonly number[];
}

export interface DrainResult {
  readonly perSecond: number;
  /** CPU of this process, for a thousand. */
  readonly cpuSeconds: number;
  /** CPU of Postgres, for a thousand; undefined where it cannot be seen. */
  readonly postgresCpuSeconds: number | undefined;
  readonly walBytesEach: number;
}

const LOOK_EVERY_MS = 5;
const IN_FLIGHT = 32;
const PATIENCE_MS = 180_000;

export async function serveOrders(subject: Subject): Promise<void> {
  let issued = 0;
  const next = () => {
    issued += 1;
    return issued;
  };
  const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    if (order.kind === "load") answer(await steadily(subject, order, next));
    else if (order.kind === "drain") answer(await drain(subject, order, next));
    else if (order.kind === "end") break;
    else answer(await subject.more[order.kind]?.(order));
  }
  process.exit(0);
}

/** Open loop: the rate does not depend on how fast the answers come. */
async function steadily(subject: Subject, order: Order, next: () => number): Promise<LoadResult> {
  const submitMs: number[] = [];
  const doneMs: number[] = [];
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: order.count }, async (_unused, n) => {
      const dueMs = startMs + (n * 1_000) / order.perSecond;
      await pause(dueMs - performance.now());
      // From the moment it was due: a queue in front of a slow subject counts.
      const id = await subject.submit(next());
      submitMs.push(performance.now() - dueMs);
      await until(() => subject.isDone(id));
      doneMs.push(performance.now() - dueMs);
    }),
  );
  return { submitMs, doneMs };
}

/** Closed loop: as fast as it goes with so many submitters, until all is done. */
async function drain(subject: Subject, { count }: Order, next: () => number): Promise<DrainResult> {
  const before = await subject.doneCount();
  const wal = await walPosition(subject.pool);
  const postgres = await postgresCpuSeconds(subject.pool);
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left > 0) {
        left -= 1;
        await subject.submit(next());
      }
    }),
  );
  await until(async () => {
    await pause(20);
    return (await subject.doneCount()) >= before + count;
  });
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const after = await postgresCpuSeconds(subject.pool);
  return {
    perSecond: count / seconds,
    cpuSeconds: (user + system) / 1_000_000 / (count / 1_000),
    postgresCpuSeconds:
      postgres === undefined || after === undefined
        ? undefined
        : (after - postgres) / (count / 1_000),
    walBytesEach: ((await walPosition(subject.pool)) - wal) / count,
  };
}

async function walPosition(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bytes",
  );
  return Number(rows[0]?.bytes);
}

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error("it did not end in time");
    await pause(LOOK_EVERY_MS);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
