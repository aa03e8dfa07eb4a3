/** Owns the yardstick F1: how often a second this disk writes 4 KiB in place and syncs them. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BLOCK_BYTES = 4_096;
const BLOCKS = 2_048;

/** Synced writes a second into a file that does not grow, one after another. */
export function syncedWritesPerSecond(seconds: number): number {
  const folder = mkdtempSync(join(tmpdir(), "bench-disk-"));
  const file = openSync(join(folder, "blocks"), "w");
  try {
    writeSync(file, Buffer.alloc(BLOCK_BYTES * BLOCKS));
    fdatasyncSync(file);
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    const startedMs = performance.now();
    let writes = 0;
    while (performance.now() - startedMs < seconds * 1_000) {
      writeSync(file, block, 0, BLOCK_BYTES, (writes % BLOCKS) * BLOCK_BYTES);
      fdatasyncSync(file);
      writes += 1;
    }
    return (writes * 1_000) / (performance.now() - startedMs);
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}
