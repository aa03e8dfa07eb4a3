/**
 * Owns load on etcd through its own client: a Go program of this folder on Debian's source of `clientv3`, built
 * once a run and without a network. By this column the targets are judged.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./processes.ts";
import { CONNECTIONS_MAX, type Consistency, type Member } from "./subject.ts";
import type { Load } from "./wrk.ts";

const GO_PATH = "/usr/share/gocode";
/** What the program is built from; there when its package is installed. */
export const CLIENT_SOURCE = `${GO_PATH}/src/go.etcd.io/etcd/clientv3`;
const OFFLINE = { GO111MODULE: "off", GOPATH: GO_PATH, GOPROXY: "off", GOFLAGS: "" };

export interface NativeLoad {
  readonly operation: "put" | Consistency;
  readonly clients: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly keys: readonly string[];
  readonly values: readonly string[];
}

/** Throws when a call failed, or a key that was read is not there. */
export async function nativeLoad(member: Pick<Member, "url">, load: NativeLoad): Promise<Load> {
  const program = await built();
  const folder = mkdtempSync(join(tmpdir(), "bench-etcd-plan-"));
  const path = join(folder, "plan.json");
  const { warmUpSeconds, seconds, ...rest } = load;
  const plan = {
    ...rest,
    endpoint: new URL(member.url).host,
    connections: Math.min(load.clients, CONNECTIONS_MAX),
    warmUpMs: warmUpSeconds * 1_000,
    durationMs: seconds * 1_000,
  };
  writeFileSync(path, JSON.stringify(plan));
  try {
    return loadOf(await run([program, path]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the program printed. Throws unless calls were answered, and all of them. */
export function loadOf(printed: string): Load {
  const { errors, firstWhy, ...load } = JSON.parse(printed) as Load & {
    readonly errors: number;
    readonly firstWhy: string;
  };
  if (errors === 0 && load.requests > 0) return load;
  throw new Error(`etcd's client: ${errors} calls failed: ${firstWhy || "none was answered"}`);
}

let building: Promise<string> | null = null;

function built(): Promise<string> {
  building ??= build();
  return building;
}

async function build(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bench-etcd-native-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "etcd-native");
  const source = join(import.meta.dir, "etcd-native/main.go");
  await run(["go", "build", "-o", program, source], OFFLINE);
  return program;
}
