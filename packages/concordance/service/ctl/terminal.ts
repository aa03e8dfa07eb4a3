/** Owns the process's own input, output and signals, as commands see them. */
import type { Io } from "./command.ts";

export function terminal(): Io {
  // Whoever reads may have seen enough (`| head`): that ends this side without a word.
  process.stdout.on("error", () => process.exit(0));
  return {
    stdin: () => Bun.stdin.text(),
    stdinIsTerminal: process.stdin.isTTY === true,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    onInterrupt: (stop) => {
      process.once("SIGINT", stop);
      process.once("SIGTERM", stop);
    },
  };
}
