/** Owns reading how much memory processes hold, from /proc (Linux). */
import { readdirSync, readFileSync } from "node:fs";

export interface Memory {
  /** Resident memory of the process itself. */
  readonly rssMib: number;
  /** Proportional share of the process and everything below it: shared pages are counted once. */
  readonly treePssMib: number;
}

/** Throws on systems without /proc. */
export function memoryOf(pid: number): Memory {
  const rssMib = fieldMib(`/proc/${pid}/status`, "VmRSS");
  const tree = withDescendants(pid);
  const pss = tree.map((one) => fieldMib(`/proc/${one}/smaps_rollup`, "Pss"));
  return { rssMib, treePssMib: pss.reduce((sum, value) => sum + value, 0) };
}

function withDescendants(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(below)];
  return below(root);
}

function parentOf(pid: number): number | undefined {
  try {
    // The name in parentheses may hold anything; the parent is the second field after it.
    const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(/\) (?=\S \d)/);
    return Number(after.split(" ")[1]);
  } catch (error) {
    // It ended between the listing and the reading.
    if (error instanceof Error && "code" in error && /ENOENT|ESRCH/.test(String(error.code)))
      return undefined;
    throw error;
  }
}

function fieldMib(path: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(path, "utf8"));
  if (found?.[1] === undefined) throw new Error(`${path} has no ${field}`);
  return Number(found[1]) / 1024;
}
