/**
 * Owns reading fields of JSON that somebody wrote: it goes on after a problem, so that all are told at once. What it
 * returns after a problem fits the type and means nothing. Pure.
 */
import type { Problem } from "../../protocol/index.ts";

interface TextRule {
  readonly max: number;
  readonly absent?: string;
}
interface TextsRule {
  readonly max: number;
  readonly pattern: RegExp;
  /** What each stands for. */
  readonly want: string;
}
interface WholeRule {
  readonly min: number;
  readonly max: number;
  readonly absent?: number;
}

const PROBLEMS_MAX = 50;
const UNWRITABLE = /\p{Surrogate}|\0/u;

export class FieldReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #problems: Problem[];
  readonly #known = new Set<string>();
  /** The object itself is missing or none: its fields are not to blame. */
  readonly #isSilent: boolean;

  /** `what` it is, where `path` is the beginning. */
  constructor(given: unknown, path: string, problems: Problem[] = [], what = "definition") {
    const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
    this.#fields = isObject ? (given as Readonly<Record<string, unknown>>) : {};
    this.#path = path;
    this.#problems = problems;
    this.#isSilent = !isObject;
    if (!isObject) this.#add(path === "" ? what : path, "needs to be an object");
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  names(): readonly string[] {
    return Object.keys(this.#fields);
  }

  isAbsent(name: string): boolean {
    const isAbsent = !Object.hasOwn(this.#fields, name) || this.#fields[name] === null;
    if (isAbsent) this.#known.add(name);
    return isAbsent;
  }

  object(name: string, absent?: object): FieldReader {
    const given = this.#take(name) ?? absent;
    return new FieldReader(given, this.#at(name), this.#problems);
  }

  text(name: string, { max, absent }: TextRule): string {
    const given = this.#take(name) ?? absent;
    if (typeof given !== "string") return this.#wrong(name, "needs a text", "");
    if (given.trim() === "" && absent !== "") return this.#wrong(name, "must not be empty", "");
    if (UNWRITABLE.test(given)) return this.#wrong(name, "holds NUL or half a character", "");
    if (given.length <= max) return given;
    return this.#wrong(name, `has ${given.length} characters; at most ${max}`, "");
  }

  /** An object that is carried on as it is, no longer than `max` as text. */
  json(name: string, max: number): Readonly<Record<string, unknown>> {
    const given = this.#take(name) ?? {};
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      return this.#wrong(name, "needs to be an object", {});
    }
    const text = JSON.stringify(given);
    if (text.length > max) {
      return this.#wrong(name, `has ${text.length} characters as JSON; at most ${max}`, {});
    }
    if (/\\u(?:d[89a-f]|0000)/i.test(text)) {
      return this.#wrong(name, "holds NUL or half a character", {});
    }
    return given as Readonly<Record<string, unknown>>;
  }

  /** Texts, each once. */
  texts(name: string, { max, pattern, want }: TextsRule): readonly string[] {
    const given = this.#take(name);
    if (!Array.isArray(given) || given.length > max) {
      return this.#wrong(name, `needs a list of at most ${max}`, []);
    }
    const wrong = given.find((one) => typeof one !== "string" || !pattern.test(one));
    if (wrong !== undefined) return this.#wrong(name, `holds what is no ${want}`, []);
    return [...new Set(given as readonly string[])];
  }

  whole(name: string, { min, max, absent }: WholeRule): number {
    const given = this.#take(name) ?? absent;
    const fits = Number.isInteger(given) && Number(given) >= min && Number(given) <= max;
    return fits ? Number(given) : this.#wrong(name, `needs a whole number, ${min} to ${max}`, min);
  }

  choice<const T extends string>(name: string, of: readonly [T, ...T[]], absent?: T): T {
    const given = this.#take(name) ?? absent;
    const found = of.find((one) => one === given);
    return found ?? this.#wrong(name, `needs one of ${of.join(", ")}`, of[0]);
  }

  /** Complains about fields that nobody has read. */
  nothingElse(): void {
    const known = [...this.#known];
    for (const name of this.names().filter((one) => !this.#known.has(one))) {
      this.complain(name.slice(0, 60), `is unknown here; known: ${known.join(", ")}`);
    }
  }

  complain(name: string, problem: string): void {
    this.#add(this.#at(name), problem);
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #wrong<T>(name: string, problem: string, instead: T): T {
    if (!this.#isSilent) this.complain(name, problem);
    return instead;
  }

  #add(path: string, problem: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ path, problem });
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }
}
