/**
 * Owns telling a torn end of SQLite's write-ahead log from damage inside it. SQLite reads such a log up to
 * the first frame whose checksum fails and ignores the rest without a word. That is right for a commit that
 * a power cut tore, and wrong for one bit that flipped below: everything after it was synced, and answered
 * for (pitfall 4). Whatever is followed by another commit was synced before that one began.
 * Source: SQLite file format §4 (WAL header, frames, checksums).
 */
import { existsSync, readFileSync } from "node:fs";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

interface Sum {
  readonly first: number;
  readonly second: number;
}
interface Layout {
  readonly bytes: DataView;
  /** Of the checksums' words. */
  readonly littleEndian: boolean;
  readonly pageBytes: number;
  readonly frames: number;
}

/** What is damaged in the log at `path`, or null when SQLite will read all that was ever synced. */
export function walDamage(path: string): string | null {
  if (!existsSync(path)) return null;
  const file = readFileSync(path);
  // Nothing was ever written but the name, or the space for it.
  if (file.length < HEADER_BYTES || file.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) {
    return null;
  }
  const bytes = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = bytes.getUint32(0);
  const pageBytes = bytes.getUint32(8);
  const littleEndian = magic === MAGIC;
  const sane = (littleEndian || magic === MAGIC + 1) && pageBytes >= 512 && pageBytes <= 65_536;
  const header = sumOf(bytes, littleEndian, { first: 0, second: 0 }, 0, HEADER_BYTES - 8);
  if (!sane || !isStored(bytes, HEADER_BYTES - 8, header)) return "its header";
  const frames = Math.floor((file.length - HEADER_BYTES) / (FRAME_HEADER_BYTES + pageBytes));
  return frameDamage({ bytes, littleEndian, pageBytes, frames }, header);
}

function frameDamage(layout: Layout, header: Sum): string | null {
  let sum = header;
  for (let frame = 0; frame < layout.frames; frame += 1) {
    sum = frameSum(layout, frame, sum);
    if (isCurrent(layout, frame) && isStored(layout.bytes, sumAt(layout, frame), sum)) continue;
    return isFollowed(layout, frame, sum) ? `frame ${frame + 1} of ${layout.frames}` : null;
  }
  return null;
}

/**
 * Whether a later commit was begun, which happens only when the one with this frame was synced. Frames of
 * an earlier torn end may lie behind it: they do not continue the chain of checksums, whichever way the bad
 * frame is bad, in its content (then its stored sum is right) or in its sum (then the computed one is).
 */
function isFollowed(layout: Layout, bad: number, badSum: Sum): boolean {
  const { bytes } = layout;
  let computed = badSum;
  let ended = endsCommit(layout, bad);
  for (let frame = bad + 1; frame < layout.frames; frame += 1) {
    const before = sumAt(layout, frame - 1);
    const stored = { first: bytes.getUint32(before), second: bytes.getUint32(before + 4) };
    computed = frameSum(layout, frame, computed);
    const continues = [computed, frameSum(layout, frame, stored)].some((sum) =>
      isStored(bytes, sumAt(layout, frame), sum),
    );
    if (!isCurrent(layout, frame) || !continues) continue;
    if (ended) return true;
    ended = endsCommit(layout, frame);
  }
  return false;
}

/** The last frame of a commit says how large the database is then. */
function endsCommit(layout: Layout, frame: number): boolean {
  return layout.bytes.getUint32(offsetOf(layout, frame) + 4) !== 0;
}

/** Written since the log last began anew: what was before stays in the file, under other salts. */
function isCurrent(layout: Layout, frame: number): boolean {
  const { bytes } = layout;
  const at = offsetOf(layout, frame);
  return (
    bytes.getUint32(at + 8) === bytes.getUint32(16) &&
    bytes.getUint32(at + 12) === bytes.getUint32(20)
  );
}

function offsetOf({ pageBytes }: Layout, frame: number): number {
  return HEADER_BYTES + frame * (FRAME_HEADER_BYTES + pageBytes);
}

/** Where a frame keeps its checksum. */
function sumAt(layout: Layout, frame: number): number {
  return offsetOf(layout, frame) + 16;
}

function frameSum(layout: Layout, frame: number, from: Sum): Sum {
  const { bytes, littleEndian, pageBytes } = layout;
  const at = offsetOf(layout, frame);
  const page = at + FRAME_HEADER_BYTES;
  const header = sumOf(bytes, littleEndian, from, at, at + 8);
  return sumOf(bytes, littleEndian, header, page, page + pageBytes);
}

function sumOf(bytes: DataView, littleEndian: boolean, from: Sum, start: number, end: number): Sum {
  let { first, second } = from;
  for (let at = start; at < end; at += 8) {
    first = (first + bytes.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + bytes.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return { first, second };
}

function isStored(bytes: DataView, at: number, { first, second }: Sum): boolean {
  return bytes.getUint32(at) === first && bytes.getUint32(at + 4) === second;
}
