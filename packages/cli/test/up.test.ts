/** `concert up` as somebody uses it, with the service that is hardest to stop: Postgres. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";

const TIMEOUT_MS = 120_000;
const MAIN = join(import.meta.dirname, "../src/main.ts");
let folder: string;
let dataDir: string;
let port: number;
let running: Bun.Subprocess<"ignore", "pipe", "pipe">[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "concert-up-"));
  dataDir = join(folder, "data");
  running = [];
  const held = await hold(0);
  port = held.port;
  await held.close();
});

afterEach(async () => {
  for (const one of running) {
    one.kill("SIGTERM");
    await one.exited;
  }
  while (ours().length > 0) await Bun.sleep(50);
  rmSync(folder, { recursive: true });
});

async function hold(wanted: number) {
  const server = await new Promise<Server>((resolve, reject) => {
    const one = createServer();
    one.once("error", reject);
    one.listen(wanted, "127.0.0.1", () => resolve(one));
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

function up(...flags: string[]) {
  return concert(
    "up",
    "--only=postgres",
    `--data-dir=${dataDir}`,
    `--postgres-port=${port}`,
    ...flags,
  );
}

function concert(...args: string[]) {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.push(child);
  return child;
}

async function until(child: ReturnType<typeof up>, text: string): Promise<string> {
  let seen = "";
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  while (!seen.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`ended before "${text}":\n${seen}${await child.stderr.text()}`);
    seen += decoder.decode(value);
  }
  reader.releaseLock();
  return seen;
}

const untilRunning = (child: ReturnType<typeof up>) => until(child, "Ctrl-C stops everything");

/** Every process of this test's stack: each has the test's own folder among its arguments. */
function ours(): number[] {
  const listed = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).stdout;
  const supervisors = new Set(running.map((one) => one.pid));
  return listed
    .split("\n")
    .filter((line) => line.includes(folder))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid && !supervisors.has(pid));
}

async function untilGone(): Promise<void> {
  while (ours().length > 0) await Bun.sleep(50);
}

async function query(sql: string): Promise<unknown[]> {
  const { postgresPassword } = JSON.parse(readFileSync(join(dataDir, "secrets.json"), "utf8")) as {
    postgresPassword: string;
  };
  const client = new Client({
    connectionString: `postgres://postgres:${postgresPassword}@127.0.0.1:${port}/concert`,
  });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const state = () =>
  JSON.parse(readFileSync(join(dataDir, "run.json"), "utf8")) as {
    services: Record<string, { pid: number; restarts: number; url: string }>;
  };

describe("concert up", () => {
  test(
    "Ctrl-C leaves no orphan, and the next start finds what was stored",
    async () => {
      const first = up();
      const told = await untilRunning(first);
      expect(told).toContain("✓ postgres");
      await query("create table kept (value text)");
      await query("insert into kept values ('still here')");
      expect(ours().length).toBeGreaterThan(1);
      first.kill("SIGINT");
      expect(await first.exited).toBe(0);
      expect(ours()).toEqual([]);
      expect(existsSync(join(dataDir, "run.json"))).toBe(false);
      await untilRunning(up());
      expect(await query("select value from kept")).toEqual([{ value: "still here" }]);
    },
    TIMEOUT_MS,
  );

  test(
    "SIGKILL of the supervisor leaves no orphan, and a start right after it waits and succeeds",
    async () => {
      const first = up();
      await untilRunning(first);
      await query("create table kept (value text)");
      first.kill("SIGKILL");
      await first.exited;
      const second = up();
      await untilRunning(second);
      expect(await query("select value from kept")).toEqual([]);
      second.kill("SIGKILL");
      await second.exited;
      await untilGone();
    },
    TIMEOUT_MS,
  );

  test(
    "SIGKILL of the supervisor and of the Postgres host at once leaves no orphan either",
    async () => {
      const first = up();
      await untilRunning(first);
      await query("create table kept (value text)");
      const host = state().services["postgres"]?.pid ?? 0;
      first.kill("SIGKILL");
      process.kill(host, "SIGKILL");
      await first.exited;
      const second = up();
      await untilRunning(second);
      expect(await query("select value from kept")).toEqual([]);
      second.kill("SIGTERM");
      await second.exited;
      await untilGone();
    },
    TIMEOUT_MS,
  );

  test(
    "a killed Postgres host takes its server along and comes back with everything committed",
    async () => {
      await untilRunning(up());
      await query("create table kept (value text)");
      await query("insert into kept values ('committed')");
      const before = state().services["postgres"]?.pid ?? 0;
      process.kill(before, "SIGKILL");
      while ((state().services["postgres"]?.restarts ?? 0) === 0) await Bun.sleep(20);
      const rows = async (): Promise<unknown[]> => {
        try {
          return await query("select value from kept");
        } catch {
          await Bun.sleep(50);
          return rows();
        }
      };
      expect(await rows()).toEqual([{ value: "committed" }]);
      expect(state().services["postgres"]?.pid).not.toBe(before);
      const servers = ours().filter((pid) =>
        spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout.includes(
          "postgres -D",
        ),
      );
      expect(servers).toHaveLength(1);
    },
    TIMEOUT_MS,
  );

  test(
    "a busy port is one line naming the port, the service and the flag, before anything is started",
    async () => {
      const held = await hold(port);
      const child = up();
      expect(await child.exited).toBe(1);
      expect(await child.stderr.text()).toBe(
        `concert: port ${port} on 127.0.0.1, wanted by postgres, is in use; stop what holds it or choose another with --postgres-port=<port>\n`,
      );
      expect(existsSync(join(dataDir, "postgres"))).toBe(false);
      expect(existsSync(join(dataDir, "logs"))).toBe(false);
      await held.close();
    },
    TIMEOUT_MS,
  );

  test(
    "a second up on the same data says so, and the first goes on",
    async () => {
      const first = up();
      await untilRunning(first);
      const second = up(`--postgres-port=${port + 1}`);
      expect(await second.exited).toBe(1);
      expect(await second.stderr.text()).toContain(
        `a stack already runs on ${dataDir} (process ${first.pid}`,
      );
      expect(await query("select 1 as one")).toEqual([{ one: 1 }]);
    },
    TIMEOUT_MS,
  );

  test(
    "a second Ctrl-C does not wait, and still leaves no orphan",
    async () => {
      const child = up();
      await untilRunning(child);
      child.kill("SIGINT");
      child.kill("SIGINT");
      await child.exited;
      await untilGone();
    },
    TIMEOUT_MS,
  );

  test(
    "keys are in a file for the owner alone, and neither in arguments nor in the state file",
    async () => {
      await untilRunning(up());
      const path = join(dataDir, "secrets.json");
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const keys = Object.values(JSON.parse(readFileSync(path, "utf8")) as Record<string, string>);
      const visible =
        spawnSync("ps", ["-eo", "args="], { encoding: "utf8" }).stdout +
        readFileSync(join(dataDir, "run.json"), "utf8");
      expect(keys.length).toBeGreaterThan(5);
      expect(keys.filter((key) => visible.includes(key))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "a start that cannot succeed stops, and shows the last lines that say why",
    async () => {
      const first = up();
      await untilRunning(first);
      first.kill("SIGTERM");
      expect(await first.exited).toBe(0);
      rmSync(join(dataDir, "secrets.json"));
      const second = up();
      expect(await second.exited).toBe(1);
      const told = await second.stderr.text();
      expect(told).toContain("postgres did not become healthy");
      expect(told).toContain("restore the secrets.json it was made with");
      expect(told).toContain(join(dataDir, "logs", "postgres.log"));
      expect(ours()).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "status tells what runs, and that nothing does",
    async () => {
      const before = concert("status", `--data-dir=${dataDir}`);
      expect(await before.exited).toBe(1);
      expect(await before.stdout.text()).toContain(`Nothing runs on ${dataDir}`);
      await untilRunning(up());
      const during = concert("status", `--data-dir=${dataDir}`);
      expect(await during.exited).toBe(0);
      const told = await during.stdout.text();
      expect(told).toMatch(/^postgres +healthy +\d+ +0 +postgres:/m);
    },
    TIMEOUT_MS,
  );

  test("doctor names a port that is taken, and fails", async () => {
    // Whoever holds the port, doctor must say so.
    const held = await hold(5433).catch(() => undefined);
    const child = concert("doctor", `--data-dir=${dataDir}`);
    expect(await child.exited).toBe(1);
    expect(await child.stdout.text()).toContain(
      "✗ port 5433 on 127.0.0.1, wanted by postgres, is in use",
    );
    await held?.close();
  });

  test("an unknown flag and a bad value are refused with what is accepted", async () => {
    const unknown = up("--colour");
    expect(await unknown.exited).toBe(2);
    expect(await unknown.stderr.text()).toContain("unknown option '--colour'");
    const bad = up("--concord-port=70000");
    expect(await bad.exited).toBe(2);
    expect(await bad.stderr.text()).toContain("needs a whole number from 1 to 65535");
  });
});
