/**
 * Owns the stack of one test file: its own data, its own ports, everything but the console unless asked for.
 * `KEEP_TEST_DATA=1` keeps data and logs for a look. Refuses to own: what is tested.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Addresses,
  freeAddresses,
  SERVICE_NAMES,
  type Stack,
  startStack,
} from "@concert/cli/stack";

/** Everything a whole-system test waits for happens within these, on a slow machine too. */
export const START_TIMEOUT_MS = 180_000;
export const TEST_TIMEOUT_MS = 180_000;

export interface TestStack extends Stack {
  readonly addresses: Addresses;
  /** Stops everything and removes the data. */
  dispose(): Promise<void>;
}

export interface TestStackOptions {
  readonly withConsole?: boolean;
  /** Settings of services, on top of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The data and addresses of an earlier stack, to go on where it was cut. */
  readonly goOnWith?: { readonly dataDir: string; readonly addresses: Addresses };
}

export async function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const { withConsole = false, goOnWith, env = {} } = options;
  const dataDir = goOnWith?.dataDir ?? mkdtempSync(join(tmpdir(), "concert-test-"));
  const ports = goOnWith?.addresses ?? (await freeAddresses());
  const services = SERVICE_NAMES.filter((name) => withConsole || name !== "console");
  const stack = await startStack({
    dataDir,
    ports,
    services,
    env: { ...ownEnvironment(), ...env },
  });
  const dispose = async () => {
    await stack.stop();
    if (process.env["KEEP_TEST_DATA"] === "1") process.stderr.write(`kept: ${dataDir}\n`);
    else rmSync(dataDir, { recursive: true });
  };
  return { ...stack, addresses: ports, dispose };
}

/** Keys and databases of whoever runs the tests must not reach the stack under test. */
function ownEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "TMPDIR", "LANG", "LOG_LEVEL"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Resolves with the first answer of `ask` that is not undefined. Rejects, naming `what`, when none comes. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  { timeoutMs = 60_000, everyMs = 50 } = {},
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await Bun.sleep(everyMs);
  }
}
