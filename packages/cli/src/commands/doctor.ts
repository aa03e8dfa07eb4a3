/**
 * Owns `concert doctor`: whether this machine can run a stack, each finding with what to do about it.
 * Refuses to own: repairing anything; it changes nothing.
 */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { findInstalled } from "@concert/postgres-host";
import { checkPortsFree, defaultAddresses, PortBusy } from "../stack/addresses.ts";
import { findChromium } from "../stack/chromium.ts";
import { isRunning } from "../stack/run-lock.ts";
import { SERVICES } from "../stack/services.ts";
import { REPOSITORY } from "../stack/stack.ts";

const FREE_GIB_MIN = 1;

type Verdict = "ok" | "warning" | "problem";
interface Finding {
  readonly verdict: Verdict;
  readonly text: string;
}

/** Prints every finding. Resolves with 1 when something would keep a stack from starting. */
export async function doctor(dataDir: string): Promise<number> {
  const folder = resolve(dataDir);
  const ports = isRunning(folder)
    ? [ok(`a stack runs on ${folder}; its ports are its own`)]
    : await Promise.all(SERVICES.map(({ name }) => checkPort(name)));
  const findings = [
    checkVersions(),
    checkPostgres(),
    checkConsole(),
    checkDisk(folder),
    ...ports,
    checkChromium(),
  ];
  const mark = { ok: "✓", warning: "!", problem: "✗" } as const;
  for (const { verdict, text } of findings) process.stdout.write(`${mark[verdict]} ${text}\n`);
  return findings.some(({ verdict }) => verdict === "problem") ? 1 : 0;
}

function checkVersions(): Finding {
  const manifest: unknown = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  const pinned = /"bun":"([^"]+)"/.exec(JSON.stringify(manifest))?.[1];
  return pinned === Bun.version
    ? ok(`Bun ${Bun.version}, as pinned; ${process.platform} ${process.arch}`)
    : warning(`Bun ${Bun.version} runs this, but ${pinned} is pinned: start through npm`);
}

function checkPostgres(): Finding {
  try {
    return ok(`embedded Postgres ${findInstalled().version}`);
  } catch (error) {
    return problem(error instanceof Error ? error.message : String(error));
  }
}

function checkConsole(): Finding {
  return existsSync(join(REPOSITORY, "packages/console/dist/index.html"))
    ? ok("the console is built")
    : warning("the console is not built yet; npm start builds it");
}

function checkDisk(folder: string): Finding {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const freeGib = (bavail * bsize) / 2 ** 30;
  const text = `${freeGib.toFixed(1)} GiB free for ${folder}`;
  return freeGib < FREE_GIB_MIN
    ? problem(`${text}; at least ${FREE_GIB_MIN} GiB is needed`)
    : ok(text);
}

async function checkPort(name: (typeof SERVICES)[number]["name"]): Promise<Finding> {
  const addresses = defaultAddresses();
  try {
    await checkPortsFree([name], addresses);
    return ok(`port ${addresses[name].port} is free for ${name}`);
  } catch (error) {
    if (error instanceof PortBusy) return problem(error.message);
    throw error;
  }
}

function checkChromium(): Finding {
  const found = findChromium();
  return found === undefined
    ? warning("no Chromium: the browser tests are skipped; everything else works")
    : ok(`Chromium at ${found}, for the browser tests`);
}

function ok(text: string): Finding {
  return { verdict: "ok", text };
}

function warning(text: string): Finding {
  return { verdict: "warning", text };
}

function problem(text: string): Finding {
  return { verdict: "problem", text };
}
