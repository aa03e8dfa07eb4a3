/**
 * Owns how a process ends. SIGTERM or SIGINT: stop accepting, finish what is in flight within 10 s,
 * exit 0. Under a supervisor (`CONCERT_SUPERVISED=1`) the end of standard input means the supervisor is
 * gone, and the process ends as well, so that a killed supervisor leaves no orphan.
 */
import type { Logger } from "./log.ts";

const SHUTDOWN_DEADLINE_MS = 10_000;

/** Runs `stop` once, on the first reason to end, then exits. `stop` should release in reverse order of start. */
export function endGracefully(log: Logger, stop: () => Promise<void>): void {
  let ending = false;
  const end = (reason: string) => {
    if (ending) return;
    ending = true;
    log.info({ reason }, "stopping");
    setTimeout(() => {
      log.error({ deadlineMs: SHUTDOWN_DEADLINE_MS }, "did not stop in time, exiting anyway");
      process.exit(1);
    }, SHUTDOWN_DEADLINE_MS).unref();
    stop().then(
      () => process.exit(0),
      (error) => {
        log.error({ err: error }, "failed while stopping");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  if (process.env["CONCERT_SUPERVISED"] === "1") {
    process.stdin.on("end", () => end("the supervisor is gone"));
    process.stdin.on("error", () => end("the supervisor is gone"));
    process.stdin.resume();
  }
}

/** Turns a listening failure into a sentence naming the port and the flag, then exits 1. */
export function explainListenFailure(
  program: string,
  error: unknown,
  host: string,
  port: number,
): never {
  const code =
    typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  const why =
    code === "EADDRINUSE" || /in use/i.test(String(error))
      ? `port ${port} on ${host} is in use; stop what holds it or choose another with --listen=${host}:<port>`
      : `cannot listen on ${host}:${port}: ${String(error)}`;
  process.stderr.write(`${program}: ${why}\n`);
  process.exit(1);
}
