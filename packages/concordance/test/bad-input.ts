/** Owns bad input for tests, drawn from a seed: bytes, broken HTTP, broken requests, broken frames. */
import { Luck } from "./sim/random.ts";

const ODD_TEXTS = [
  "",
  "\0",
  "..",
  "%00",
  "\u{10ffff}",
  "\ud800",
  "a".repeat(600),
  "tenant:a/credentials",
  "system/keys",
  "__proto__",
  "constructor",
  '"',
  "é\u0301",
  "-1",
  "1e999",
];
const ODD_NUMBERS = [
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 53),
  Number.MAX_SAFE_INTEGER,
  4_294_967_296,
];

export class BadInput {
  readonly luck: Luck;

  constructor(seed: number) {
    this.luck = new Luck(seed);
  }

  pick<T>(items: readonly T[]): T {
    const index = Math.floor(this.luck.between(0, items.length));
    if (index >= items.length) throw new RangeError("nothing to pick from");
    return items[index] as T;
  }

  bytes(lengthMax: number): Uint8Array<ArrayBuffer> {
    const length = Math.floor(this.luck.between(0, lengthMax));
    return Uint8Array.from({ length }, () => Math.floor(this.luck.between(0, 256)));
  }

  text(): string {
    if (this.luck.chance(0.3)) return Buffer.from(this.bytes(40)).toString("latin1");
    return this.pick(ODD_TEXTS);
  }

  /** Any JSON there is, sometimes deep. */
  json(depth = 4): unknown {
    const leaf = depth <= 0 || this.luck.chance(0.4);
    if (leaf) {
      return this.pick([null, true, this.text(), this.pick(ODD_NUMBERS)]);
    }
    const size = Math.floor(this.luck.between(0, 4));
    const parts = Array.from({ length: size }, () => this.json(depth - 1));
    if (this.luck.chance(0.5)) return parts;
    return Object.fromEntries(parts.map((part) => [this.text(), part]));
  }

  /** `text` with some of its characters changed, doubled, or gone. */
  bent(text: string): string {
    const bytes = [...Buffer.from(text)];
    const times = 1 + Math.floor(this.luck.between(0, 4));
    for (let turn = 0; turn < times; turn += 1) {
      const at = Math.floor(this.luck.between(0, bytes.length));
      if (this.luck.chance(0.3)) bytes.splice(at, Math.floor(this.luck.between(1, 20)));
      else if (this.luck.chance(0.5)) bytes[at] = Math.floor(this.luck.between(0, 256));
      else bytes.splice(at, 0, ...bytes.slice(at, at + 20));
    }
    return Buffer.from(bytes).toString("latin1");
  }

  /** `record` with one field dropped, added, or made something else. */
  spoilt(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const names = Object.keys(record);
    const name = this.luck.pick(names) ?? "x";
    const { [name]: _, ...rest } = record;
    if (this.luck.chance(0.3)) return rest;
    return { ...record, [this.luck.chance(0.8) ? name : this.text()]: this.json(3) };
  }
}
