/** Owns HTTP/1.1 load: `wrk` with one thread, over prepared requests, keep-alive, as many connections as clients. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./processes.ts";
import type { HttpRequest, Member } from "./subject.ts";

export interface Load {
  readonly perSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Throws when any request fails: such a cell counts for nothing. */
export async function wrk(
  member: Pick<Member, "url">,
  requests: readonly HttpRequest[],
  clients: number,
  seconds: number,
): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), "bench-wrk-"));
  const script = join(folder, "requests.lua");
  const { host } = new URL(member.url);
  writeFileSync(script, luaOf(requests.map((request) => rawOf(request, host))));
  try {
    const printed = await run([
      "wrk",
      "--threads=1",
      `--connections=${clients}`,
      `--duration=${seconds}s`,
      "--timeout=10s",
      `--script=${script}`,
      member.url,
    ]);
    return loadOf(printed);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The request as bytes on a connection that stays open. */
export function rawOf({ method, path, headers, body }: HttpRequest, host: string): string {
  const length = body === null ? [] : [["content-length", String(Buffer.byteLength(body))]];
  const lines = [["host", host], ...Object.entries(headers), ...length].map((one) =>
    one.join(": "),
  );
  return `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

/** The escapes of JSON strings are those of Lua as long as nothing needs `\\u`. */
function luaOf(raw: readonly string[]): string {
  const quoted = raw.map((one) => `  ${JSON.stringify(one)},`).join("\n");
  return `
local requests = {
${quoted}
}
request = function() return requests[math.random(#requests)] end
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    failed, latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
`;
}

function loadOf(printed: string): Load {
  const numbers = /^RESULT (.+)$/m.exec(printed)?.[1]?.split(" ").map(Number) ?? [];
  const [requests = 0, micros = 0, failed = 0, p50 = 0, p90 = 0, p99 = 0, max = 0] = numbers;
  if (requests === 0 || failed > 0) throw new Error(`wrk: ${failed} requests failed:\n${printed}`);
  const [p50Ms, p90Ms, p99Ms, maxMs] = [p50 / 1e3, p90 / 1e3, p99 / 1e3, max / 1e3];
  return { perSecond: (requests * 1e6) / micros, requests, p50Ms, p90Ms, p99Ms, maxMs };
}
