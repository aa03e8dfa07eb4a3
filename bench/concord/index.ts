/**
 * Measures what governance costs: Concord against DBOS alone, in the same run, on the same Postgres, each subject a
 * process of its own on a fresh database, in turn, three times. Latency at a fixed rate (open loop), throughput with
 * 32 submitters. After each run it is checked that nothing was skipped. Then what a service is asked for: submit over
 * HTTP, decision to resumed, start to ready, the record at a million events, many approvals that wait.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { freePort, startTestPostgres } from "@concert/concord/testing";
import { milliseconds, quantile, table } from "../support/table.ts";
import type { DrainResult, LoadResult } from "./orders.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 3);
/** Well below what two idle cores can do; a busy machine needs less, or the queue in front is measured. */
const RATE = Number(process.env["BENCH_RATE"] ?? 30);
const LOAD = { kind: "load", count: 8 * RATE, perSecond: RATE };
const WARM_UP = { kind: "load", count: 2 * RATE, perSecond: RATE };
const DRAIN = { kind: "drain", count: 20 * RATE, perSecond: 0 };
const PARKED = Number(process.env["BENCH_PARKED"] ?? 2_000);
const EVENTS = Number(process.env["BENCH_EVENTS"] ?? 1_000_000);

type Kind = "bare" | "governed";

interface Round {
  readonly load: LoadResult;
  readonly drain: DrainResult;
}

/** The result as Markdown; `sides` measures only the comparison, `service` only the rest. */
export async function benchConcord([part]: readonly string[] = []): Promise<string> {
  if (part === "service") return service();
  const rounds: Record<Kind, Round[]> = { bare: [], governed: [] };
  let whole: unknown;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of ["bare", "governed"] as const) {
      await onOwnDatabase(async (databaseUrl) => {
        const subject = await startSubject(kind, databaseUrl);
        await subject.order(WARM_UP);
        const load = (await subject.order(LOAD)) as LoadResult;
        const drain = (await subject.order(DRAIN)) as DrainResult;
        rounds[kind].push({ load, drain });
        if (kind === "governed") whole = await subject.order({ kind: "governance" });
        await subject.end();
      });
    }
  }
  const sides = comparison(rounds);
  const checked = `Nothing was skipped: ${JSON.stringify(whole)}`;
  return [sides, checked, ...(part === "sides" ? [] : [await service()])].join("\n\n");
}

function comparison(rounds: Record<Kind, readonly Round[]>): string {
  const of = (kind: Kind) => {
    const all = rounds[kind];
    const done = all.flatMap(({ load }) => load.doneMs);
    const submit = all.flatMap(({ load }) => load.submitMs);
    const middle = (pick: (one: Round) => number) => quantile(all.map(pick), 0.5);
    return {
      done50: quantile(done, 0.5),
      done99: quantile(done, 0.99),
      submit50: quantile(submit, 0.5),
      submit99: quantile(submit, 0.99),
      perSecond: middle((one) => one.drain.perSecond),
      cpu: middle((one) => one.drain.cpuSeconds),
      postgres: middle((one) => one.drain.postgresCpuSeconds ?? Number.NaN),
      wal: middle((one) => one.drain.walBytesEach),
    };
  };
  const [bare, governed] = [of("bare"), of("governed")];
  const ratio = (a: number, b: number) => `${(a / b).toFixed(2)}×`;
  const row = (name: string, key: keyof typeof bare, show: (value: number) => string) => [
    name,
    show(bare[key]),
    show(governed[key]),
    ratio(governed[key], bare[key]),
  ];
  return table(
    [`${ROUNDS} rounds each`, "bare DBOS", "governed", "ratio"],
    [
      row("submit → done p50", "done50", milliseconds),
      row("submit → done p99", "done99", milliseconds),
      row("submit accepted, in process, p50", "submit50", milliseconds),
      row("submit accepted, in process, p99", "submit99", milliseconds),
      row("throughput, 32 submitters", "perSecond", (value) => `${value.toFixed(0)} /s`),
      row("CPU of the process per 1,000", "cpu", (value) => `${value.toFixed(2)} s`),
      row("CPU of Postgres per 1,000", "postgres", (value) => `${value.toFixed(2)} s`),
      row("WAL each", "wal", (value) => `${(value / 1024).toFixed(1)} KiB`),
    ],
  );
}

/** What one governed service answers, on one database. */
async function service(): Promise<string> {
  return onOwnDatabase(async (databaseUrl) => {
    const subject = await startSubject("governed", databaseUrl);
    await subject.order(WARM_UP);
    const { resumedMs } = (await subject.order({ kind: "approvals", count: 60 })) as {
      resumedMs: number[];
    };
    const parked = (await subject.order({ kind: "park", count: PARKED })) as Parked;
    await subject.end();
    const again = performance.now();
    const restarted = await startSubject("governed", databaseUrl);
    const restartMs = performance.now() - again;
    const record = (await restarted.order({ kind: "audit", count: EVENTS })) as {
      byCommandMs: number[];
      pageMs: number[];
    };
    await restarted.end();
    const http = await onOwnDatabase(overHttp);
    const both = (values: readonly number[]) => [
      milliseconds(quantile(values, 0.5)),
      milliseconds(quantile(values, 0.99)),
    ];
    const many = PARKED.toLocaleString("en");
    const head = table(
      ["A governed service", "p50", "p99"],
      [
        [`submit accepted over HTTP, ${RATE} a second`, ...both(http.submitMs)],
        ["decision → resumed", ...both(resumedMs)],
        [
          `record of one command, ${EVENTS.toLocaleString("en")} events`,
          ...both(record.byCommandMs),
        ],
        ["page of 100 of one tenant's record", ...both(record.pageMs)],
        [`page of 50 of ${many} waiting approvals`, ...both(parked.listMs)],
      ],
    );
    const rest = [
      `Start to ready on a migrated database: ${milliseconds(quantile(http.startMs, 0.5))} (median of ${http.startMs.length}).`,
      `${many} commands waiting for approval: parked at ${((PARKED / parked.parkMs) * 1_000).toFixed(0)} a second, ` +
        `${(parked.bytesEach / 1024).toFixed(1)} KiB of resident memory each (${parked.rssMib.toFixed(0)} MiB in all), ` +
        `${(parked.idleCpu * 100).toFixed(1)} % of one core while idle; ` +
        `a process that takes them over was ready after ${milliseconds(restartMs)}.`,
    ];
    return [head, ...rest].join("\n\n");
  });
}

interface Parked {
  readonly parkMs: number;
  readonly bytesEach: number;
  readonly rssMib: number;
  readonly idleCpu: number;
  readonly listMs: number[];
}

const CONTRACTS = new URL("./contracts.ts", import.meta.url).pathname;
const SERVER = new URL("../../packages/concord/src/server/main.ts", import.meta.url).pathname;

/** The server as it ships: started three times on one database, then asked at a fixed rate. */
async function overHttp(databaseUrl: string) {
  const startMs: number[] = [];
  let submitMs: number[] = [];
  for (let start = 0; start < 4; start += 1) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const from = performance.now();
    const flags = [
      `--listen=127.0.0.1:${port}`,
      `--database-url=${databaseUrl}`,
      `--contracts=${CONTRACTS}`,
      "--api-keys=bench=bench:asker::",
    ];
    const child = spawn(process.execPath, [SERVER, ...flags], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, LOG_LEVEL: "warn" },
    });
    while (!(await isReady(url))) await pause(5);
    // The first start migrates.
    if (start > 0) startMs.push(performance.now() - from);
    if (start === 3) {
      // Five seconds: what is measured is the service as it runs, not its code being compiled.
      await submitSteadily(url, 5 * RATE);
      submitMs = await submitSteadily(url, 300);
    }
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  return { startMs, submitMs };
}

const isReady = (url: string) =>
  fetch(`${url}/ready`).then(
    (response) => response.ok,
    () => false,
  );

async function submitSteadily(url: string, count: number): Promise<number[]> {
  const startMs = performance.now();
  const run = crypto.randomUUID();
  return Promise.all(
    Array.from({ length: count }, async (_unused, n) => {
      const dueMs = startMs + (n * 1_000) / LOAD.perSecond;
      await pause(dueMs - performance.now());
      const response = await fetch(`${url}/commands`, {
        method: "POST",
        headers: { authorization: "Bearer bench", "content-type": "application/json" },
        body: JSON.stringify({ task_name: "measured", payload: { id: `${run}-${n}` } }),
      });
      if (response.status !== 202) throw new Error(`submit answered ${response.status}`);
      await response.arrayBuffer();
      return performance.now() - dueMs;
    }),
  );
}

async function onOwnDatabase<T>(work: (databaseUrl: string) => Promise<T>): Promise<T> {
  const postgres = await startTestPostgres();
  try {
    // As a stack is served: by the server's local socket.
    return await work(postgres.localUrl);
  } finally {
    await postgres.stop();
  }
}

async function startSubject(kind: Kind, databaseUrl: string) {
  const path = new URL(`./${kind}/main.ts`, import.meta.url).pathname;
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, [path], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`the subject "${kind}" ended early`);
      if (String(value).startsWith("{")) return JSON.parse(String(value));
    }
  };
  await answer();
  return {
    order: (order: object) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      return answer();
    },
    end: async () => {
      const gone = once(child, "exit");
      child.stdin.end(`${JSON.stringify({ kind: "end" })}\n`);
      await gone;
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
