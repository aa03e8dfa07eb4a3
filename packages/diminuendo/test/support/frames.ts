/** Client frames made from the schemas themselves, whole or broken, so that a new message is fuzzed without being named. */
import * as Arbitrary from "effect/Arbitrary";
import * as Effect from "effect/Effect";
import type * as Schema from "effect/Schema";
import { ClientMessage, ConfigRequest, decodeClientFrame } from "../../src/protocol/index.ts";

export type Frame = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

const SCHEMAS: readonly Schema.Top[] = [...ClientMessage.members, ...ConfigRequest.members];

/** Samples of every frame a client may send, in one array a schema. */
export function sampled(seed: number, count: number): Promise<readonly (readonly Frame[])[]> {
  const samples = Effect.forEach(SCHEMAS, (schema) =>
    Arbitrary.sampleEffect(Arbitrary.schema(schema as Schema.Schema<Frame>), { count, seed }),
  );
  return Effect.runPromise(samples);
}

/** Where in a frame there are texts. */
export function textsIn(value: unknown, at: Path = []): readonly Path[] {
  if (typeof value === "string") return [at];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsIn(inner, [...at, key]));
}

/** The frame with another value there. */
export function withValue(frame: Frame, [key, ...rest]: Path, value: unknown): Frame {
  if (key === undefined) return frame;
  const inner = frame[key] as Frame;
  const next = rest.length === 0 ? value : withValue(inner, rest, value);
  if (Array.isArray(frame)) return Object.assign([...frame], { [key]: next }) as unknown as Frame;
  return { ...frame, [key]: next };
}

/** Whether a gateway would act on it. */
export function isWhole(frame: Frame): boolean {
  const { kind } = decodeClientFrame(JSON.stringify(frame));
  return kind === "message" || kind === "config";
}

const ODD: readonly unknown[] = [
  null,
  "",
  0,
  -1,
  1e308,
  true,
  [],
  {},
  "\u0000",
  "\ud800",
  "../../etc",
  "__proto__",
  "9".repeat(300),
  { $gt: "" },
  [[[[[]]]]],
];

/** Endless frames of every kind: whole ones, broken ones, and what is no frame at all. */
export class Frames {
  readonly #samples: readonly (readonly Frame[])[];
  readonly #random: (below: number) => number;
  /** Ids that exist, to be met again. */
  readonly known: string[] = [];

  constructor(samples: readonly (readonly Frame[])[], random: (below: number) => number) {
    this.#samples = samples;
    this.#random = random;
  }

  next(): string | Uint8Array {
    const frame = this.#aimed(this.#pick(this.#pick(this.#samples)));
    switch (this.#random(10)) {
      case 0:
      case 1:
        return JSON.stringify(frame);
      case 2:
        return JSON.stringify(this.#without(frame));
      case 3:
      case 4:
      case 5:
        return JSON.stringify(this.#changed(frame));
      case 6:
        return JSON.stringify({ ...frame, ...this.#pick(this.#pick(this.#samples)) });
      case 7:
        return this.#torn(JSON.stringify(frame));
      case 8:
        return this.#flipped(JSON.stringify(frame));
      default:
        return this.#noise();
    }
  }

  /** Half of the ids it names exist. */
  #aimed(frame: Frame): Frame {
    if (this.known.length === 0 || !("sessionId" in frame) || this.#random(2) === 0) return frame;
    return { ...frame, sessionId: this.#pick(this.known) };
  }

  #without(frame: Frame): Frame {
    const gone = this.#pick(Object.keys(frame));
    return Object.fromEntries(Object.entries(frame).filter(([key]) => key !== gone));
  }

  #changed(frame: Frame): Frame {
    const keys = Object.keys(frame).filter((key) => key !== "type" || this.#random(20) === 0);
    return { ...frame, [this.#pick(keys.length === 0 ? ["type"] : keys)]: this.#pick(ODD) };
  }

  #torn(text: string): string {
    return text.slice(0, this.#random(text.length + 1));
  }

  #flipped(text: string): string {
    const at = this.#random(text.length);
    return text.slice(0, at) + String.fromCharCode(this.#random(0xff_ff)) + text.slice(at + 1);
  }

  #noise(): string | Uint8Array {
    switch (this.#random(200)) {
      case 0:
        return `"${"x".repeat(100_000 + this.#random(1_100_000))}"`;
      case 1:
        return "[".repeat(50_000);
      case 2:
        return JSON.stringify({ type: "ping", ts: 1, deep: JSON.parse(nested(2_000)) });
      default: {
        const bytes = Uint8Array.from({ length: this.#random(64) }, () => this.#random(256));
        return this.#random(2) === 0 ? bytes : Buffer.from(bytes).toString("latin1");
      }
    }
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random(values.length)] as T;
  }
}

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
