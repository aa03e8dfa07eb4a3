/**
 * Owns one service's log: a file rotated by size, and the last lines in memory for messages.
 * Refuses to own: what the lines mean. Writes are synchronous, so that the last words of a crash are kept.
 */
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";

const FILE_BYTES_MAX = 10 * 1024 * 1024;
const FILES_KEPT = 3;
const LINES_IN_MEMORY = 400;
const LINE_CHARS_MAX = 16_384;

export class LogFile {
  readonly path: string;
  readonly #fileBytesMax: number;
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  #partial = "";
  #sizeBytes: number;

  constructor(path: string, onLine: (line: string) => void, fileBytesMax = FILE_BYTES_MAX) {
    this.path = path;
    this.#fileBytesMax = fileBytesMax;
    this.#onLine = onLine;
    mkdirSync(dirname(path), { recursive: true });
    this.#sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Appends what a child wrote; it may end in the middle of a line. */
  write(chunk: string): void {
    this.#append(chunk);
    const lines = (this.#partial + chunk).split("\n");
    this.#partial = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
    for (const line of lines) this.#remember(line);
  }

  /** Adds a line of the supervisor's own, in the JSON shape of the services' logs. */
  note(fields: Readonly<Record<string, unknown>>): void {
    this.write(`${JSON.stringify({ time: Date.now(), name: "supervisor", ...fields })}\n`);
  }

  /** The newest `count` lines, oldest first. */
  tail(count: number): readonly string[] {
    const all = this.#partial === "" ? this.#lines : [...this.#lines, this.#partial];
    return all.slice(-count);
  }

  #remember(line: string): void {
    this.#lines.push(line.slice(0, LINE_CHARS_MAX));
    if (this.#lines.length > LINES_IN_MEMORY) this.#lines.shift();
    this.#onLine(line);
  }

  #append(chunk: string): void {
    const chunkBytes = Buffer.byteLength(chunk);
    if (this.#sizeBytes > 0 && this.#sizeBytes + chunkBytes > this.#fileBytesMax) this.#rotate();
    appendFileSync(this.path, chunk);
    this.#sizeBytes += chunkBytes;
  }

  #rotate(): void {
    for (let number = FILES_KEPT - 1; number >= 1; number -= 1) {
      const older = number === 1 ? this.path : `${this.path}.${number - 1}`;
      if (statSync(older, { throwIfNoEntry: false }) !== undefined)
        renameSync(older, `${this.path}.${number}`);
    }
    this.#sizeBytes = 0;
  }
}
