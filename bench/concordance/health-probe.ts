/**
 * Owns asking one member for its health, again and again until it is told to stop, in a process of its own: what
 * the benchmark does meanwhile must not count as the member's delay. Prints the longest wait in milliseconds.
 */
const POLL_MS = 2;

if (import.meta.main) {
  const [url = ""] = process.argv.slice(2);
  let running = true;
  process.on("SIGTERM", () => {
    running = false;
  });
  await ask(url);
  process.stdout.write("ready\n");
  let longestMs = 0;
  while (running) {
    longestMs = Math.max(longestMs, await ask(url));
    await Bun.sleep(POLL_MS);
  }
  process.stdout.write(`${longestMs}\n`);
}

async function ask(url: string): Promise<number> {
  const startedMs = performance.now();
  const response = await fetch(`${url}/health`);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`health: ${response.status}`);
  return performance.now() - startedMs;
}
