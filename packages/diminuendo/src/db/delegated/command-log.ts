/**
 * Owns the log of one gateway database as it lies in Concordance (or Unison): entries with dense numbers, each written only
 * if nobody has written that number, and now and then the whole database, so that old entries can go. What is too large
 * for one value lies in parts beside it. Refuses to own: what an entry means (DelegatedStore.ts).
 */
import { type ConcordanceClient, ConcordanceError, type Operation } from "@concert/concordance";
import * as Schema from "effect/Schema";
import type { DatabaseName } from "../storage.ts";

/** Of base64 text: below what a value may have, with room for its frame. */
const PART_CHARS = 700_000;
const DELETES_AT_ONCE = 100;
const DIGITS = 12;

const Body = Schema.Union([
  Schema.Struct({ data: Schema.String }),
  Schema.Struct({ parts: Schema.Int, under: Schema.String }),
]);
type Body = typeof Body.Type;
const Snapshot = Schema.Struct({ position: Schema.Int, body: Body });
const readBody = Schema.decodeUnknownSync(Body);
const readSnapshot = Schema.decodeUnknownSync(Snapshot);

export interface Logged {
  readonly position: number;
  readonly bytes: Uint8Array;
}
export interface Tail {
  /** The database as it was after entry `position`, if it is needed to go on. */
  readonly snapshot: Logged | null;
  /** Without a hole, after what is known or after the snapshot. */
  readonly entries: readonly Logged[];
}

export class CommandLog {
  readonly #client: ConcordanceClient;
  readonly #root: string;
  readonly #writer: { readonly actor: string };

  constructor(client: ConcordanceClient, root: string, gatewayId: string) {
    this.#client = client;
    this.#root = root;
    this.#writer = { actor: `gateway:${gatewayId}` };
  }

  /** Ids of the databases of a shape that have a log. */
  async known(shape: DatabaseName["shape"]): Promise<readonly string[]> {
    const { items } = await this.#client.list(`${this.#root}/${shape}`, NEWEST);
    return items.map(({ key }) => key);
  }

  /** Writes entry `position`; false if somebody else has. Throws when that stays unknown. */
  async append(name: DatabaseName, { position, bytes }: Logged): Promise<boolean> {
    if (position === 1) await this.#register(name);
    const body = await this.#put(name, `p${digits(position)}`, bytes);
    const key = `e${digits(position)}`;
    // The same request id each time: asked again, it tells what became of the first.
    const options = { cas: 0, requestId: crypto.randomUUID(), ...this.#writer };
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#client.set(this.#at(name), key, body, options);
        return true;
      } catch (error) {
        const code = error instanceof ConcordanceError ? error.code : null;
        if (code === "cas_conflict") return false;
        if (code !== "outcome_unknown" || tries === UNKNOWN_TRIES) throw error;
        await Bun.sleep(UNKNOWN_PAUSE_MS);
      }
    }
  }

  /** What comes after entry `position`. Throws if the log changes under the reading too often. */
  async after(name: DatabaseName, position: number): Promise<Tail> {
    for (let tries = 0; tries < READ_TRIES; tries += 1) {
      const tail = await this.#read(name, position);
      if (tail !== null) return tail;
    }
    throw new Error(`the log of ${name.shape} ${name.id} cannot be read without a hole`);
  }

  /** Keeps the database as after `position`, and lets go of the entries up to there. */
  async keep(name: DatabaseName, { position, bytes }: Logged): Promise<void> {
    const before = await this.#client.list(this.#at(name), NEWEST);
    const body = await this.#put(name, `d${digits(position)}`, bytes);
    await this.#client.set(this.#at(name), "snapshot", { position, body }, this.#writer);
    const kept = `d${digits(position)}`;
    const old = before.items
      .map(({ key }) => key)
      .filter((key) => /^[ep]/.test(key) && key.slice(1, 1 + DIGITS) <= digits(position))
      .concat(before.items.map(({ key }) => key).filter((key) => /^d/.test(key)));
    await this.#delete(
      name,
      old.filter((key) => !key.startsWith(kept)),
    );
  }

  /** Nothing is left of it. */
  async drop(name: DatabaseName): Promise<void> {
    const { items } = await this.#client.list(this.#at(name), NEWEST);
    await this.#delete(
      name,
      items.map(({ key }) => key),
    );
    await this.#client.delete(`${this.#root}/${name.shape}`, name.id, this.#writer);
  }

  async #register({ shape, id }: DatabaseName): Promise<void> {
    await this.#client.set(`${this.#root}/${shape}`, id, true, this.#writer);
  }

  async #read(name: DatabaseName, position: number): Promise<Tail | null> {
    const { items } = await this.#client.list(this.#at(name), { ...NEWEST, prefix: "e" });
    const entries = items.map(({ key, value }) => ({ at: Number(key.slice(1)), value }));
    let from = position;
    let snapshot: Logged | null = null;
    if ((entries[0]?.at ?? Number.POSITIVE_INFINITY) > position + 1) {
      snapshot = await this.#snapshot(name);
      from = Math.max(position, snapshot?.position ?? 0);
    }
    const due = entries.filter(({ at }) => at > from);
    if (due.some(({ at }, index) => at !== from + index + 1)) return null;
    const read: Logged[] = [];
    for (const { at, value } of due) {
      const bytes = await this.#get(name, readBody(value));
      if (bytes === null) return null;
      read.push({ position: at, bytes });
    }
    return { snapshot: from > position ? snapshot : null, entries: read };
  }

  async #snapshot(name: DatabaseName): Promise<Logged | null> {
    const entry = await this.#client.get(this.#at(name), "snapshot", NEWEST);
    if (entry === null) return null;
    const { position, body } = readSnapshot(entry.value);
    const bytes = await this.#get(name, body);
    // A newer one has taken its place meanwhile: its parts are gone.
    return bytes === null ? this.#snapshot(name) : { position, bytes };
  }

  async #put(name: DatabaseName, under: string, bytes: Uint8Array): Promise<Body> {
    const text = Buffer.from(bytes).toString("base64");
    if (text.length <= PART_CHARS) return { data: text };
    // Of its own: another gateway may be writing the same number just now.
    const own = `${under}-${crypto.randomUUID()}`;
    const parts = Math.ceil(text.length / PART_CHARS);
    for (let part = 0; part < parts; part += 1) {
      const piece = text.slice(part * PART_CHARS, (part + 1) * PART_CHARS);
      await this.#client.set(this.#at(name), `${own}-${part}`, piece, this.#writer);
    }
    return { parts, under: own };
  }

  async #get(name: DatabaseName, body: Body): Promise<Uint8Array | null> {
    if ("data" in body) return Buffer.from(body.data, "base64");
    let text = "";
    for (let part = 0; part < body.parts; part += 1) {
      const entry = await this.#client.get(this.#at(name), `${body.under}-${part}`, NEWEST);
      if (entry === null) return null;
      text += String(entry.value);
    }
    return Buffer.from(text, "base64");
  }

  async #delete(name: DatabaseName, keys: readonly string[]): Promise<void> {
    const namespace = this.#at(name);
    for (let at = 0; at < keys.length; at += DELETES_AT_ONCE) {
      const some = keys.slice(at, at + DELETES_AT_ONCE);
      const operations = some.map((key): Operation => ({ op: "delete", namespace, key }));
      await this.#client.batch(operations, this.#writer);
    }
  }

  #at({ shape, id }: DatabaseName): string {
    return `${this.#root}/${shape}/${id}`;
  }
}

/** Whether a failure says that nothing was written. */
export const isNothingDone = (error: unknown): boolean =>
  error instanceof ConcordanceError && !["outcome_unknown", "aborted"].includes(error.code);

const NEWEST = { consistency: "linearizable" } as const;
const READ_TRIES = 5;
const UNKNOWN_TRIES = 20;
const UNKNOWN_PAUSE_MS = 250;

const digits = (position: number): string => String(position).padStart(DIGITS, "0");
