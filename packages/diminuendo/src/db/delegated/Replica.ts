/**
 * Owns one database whose truth is a log elsewhere: every change is an entry there first, then it is applied to the copy
 * here. Whoever holds the copy reads it as if it were the database. That a number in the log is written once is what
 * keeps two gateways from both changing it, however long one of them slept. Refuses to own: the log's form (command-log.ts).
 */
import type { Applied, ApplyEntry, DatabaseName } from "../storage.ts";
import { type CommandLog, isNothingDone, type Logged } from "./command-log.ts";

export type Entry = ApplyEntry["commands"][number];

/** What the replica needs of this machine's copy. */
export interface Copy {
  readonly position: (of: DatabaseName) => Promise<number>;
  readonly apply: (entry: ApplyEntry) => Promise<Applied>;
  readonly export: (of: DatabaseName) => Promise<Uint8Array>;
  readonly import: (of: DatabaseName, bytes: Uint8Array) => Promise<void>;
}

/** What became of a command. */
export type Outcome =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly reason: string; readonly superseded: boolean };

interface Waiting {
  readonly entry: Entry;
  readonly done: (outcome: Outcome) => void;
}

const COMMANDS_AT_ONCE = 100;
/** Below this a log is not worth replacing by the database. */
const LOG_BYTES_MIN = 262_144;
/** Commands whose sense depends on what others may have written: they begin with a look at the log. */
const BEGINNINGS: ReadonlySet<string> = new Set(["claim_tenant", "open_session"]);

export class Replica {
  readonly #of: DatabaseName;
  readonly #log: CommandLog;
  readonly #copy: Copy;
  readonly #onTrouble: (sentence: string) => void;
  #position: number | null = null;
  /** Whether the copy was seen to have everything, and nobody else can have written since. */
  #isFresh = false;
  #waiting: Waiting[] = [];
  #working: Promise<void> = Promise.resolve();
  #isDraining = false;
  #logBytes = 0;
  #keptBytes = 0;

  constructor(
    of: DatabaseName,
    log: CommandLog,
    copy: Copy,
    onTrouble: (sentence: string) => void,
  ) {
    this.#of = of;
    this.#log = log;
    this.#copy = copy;
    this.#onTrouble = onTrouble;
  }

  /** Somebody else may write from now on, or has. */
  doubt(): void {
    this.#isFresh = false;
  }

  /** The copy has everything that was written before the call. Rejects when the log cannot be read. */
  fresh(): Promise<void> {
    if (this.#isFresh) return Promise.resolve();
    return this.#alone(async () => void (await this.#catchUp()));
  }

  /** Written to the log and done here, in the order of the calls. */
  write(entry: Entry): Promise<Outcome> {
    return new Promise((done) => {
      this.#waiting.push({ entry, done });
      if (this.#isDraining) return;
      this.#isDraining = true;
      void this.#alone(() => this.#drain());
    });
  }

  /** One thing at a time. */
  #alone(work: () => Promise<void>): Promise<void> {
    const mine = this.#working.then(work);
    this.#working = mine.catch(() => {});
    return mine;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#commit(batch);
      } catch (error) {
        // Where it may be in the log, the copy may be behind, and so may whoever wrote from it.
        const unsure = !isNothingDone(error);
        if (unsure) this.#isFresh = false;
        for (const { done } of batch) {
          done({ kind: "failed", reason: String(error), superseded: unsure });
        }
      }
    }
    this.#isDraining = false;
  }

  /** A beginning stands alone: what follows it makes sense only if it succeeds. */
  #nextBatch(): readonly Waiting[] {
    const end = this.#waiting.findIndex(({ entry }) => BEGINNINGS.has(entry.command.kind));
    const size = end === 0 ? 1 : end === -1 ? COMMANDS_AT_ONCE : Math.min(end, COMMANDS_AT_ONCE);
    return this.#waiting.splice(0, size);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const commands = batch.map(({ entry }) => entry);
    const isBeginning = BEGINNINGS.has(commands[0]?.command.kind ?? "");
    if (isBeginning) this.#isFresh = false;
    if (!this.#isFresh) await this.#catchUp();
    const bytes = Bun.gzipSync(Buffer.from(JSON.stringify(commands)));
    while (!(await this.#log.append(this.#of, { position: this.#next, bytes }))) {
      this.#isFresh = false;
      const isChanged = await this.#catchUp();
      // What a former owner tried, and was refused on every copy, has taken a number and nothing else.
      if (isChanged && !isBeginning) return this.#tell(batch, OVERTAKEN);
    }
    this.#tell(batch, await this.#apply({ position: this.#next, bytes }));
    await this.#keepIfLong();
  }

  get #next(): number {
    return (this.#position ?? 0) + 1;
  }

  #tell(batch: readonly Waiting[], applied: Applied): void {
    for (const [index, { done }] of batch.entries()) {
      done(
        applied.kind === "applied"
          ? { kind: "done", value: applied.answers[index] ?? null }
          : { kind: "failed", reason: applied.reason, superseded: applied.superseded },
      );
    }
  }

  /** Whether the copy is another one than before. */
  async #catchUp(): Promise<boolean> {
    this.#position ??= await this.#copy.position(this.#of);
    const { snapshot, entries } = await this.#log.after(this.#of, this.#position);
    if (snapshot !== null) {
      await this.#copy.import(this.#of, snapshot.bytes);
      this.#position = snapshot.position;
      this.#keptBytes = snapshot.bytes.length;
    }
    let isChanged = snapshot !== null;
    for (const entry of entries) {
      isChanged = (await this.#apply(entry)).kind === "applied" || isChanged;
    }
    this.#isFresh = true;
    return isChanged;
  }

  async #apply({ position, bytes }: Logged): Promise<Applied> {
    const commands = JSON.parse(Buffer.from(Bun.gunzipSync(new Uint8Array(bytes))).toString());
    const applied = await this.#copy.apply({ kind: "apply", of: this.#of, position, commands });
    this.#position = position;
    this.#logBytes += bytes.length;
    return applied;
  }

  /** So that taking over costs about as much as the database is large, and the log does not grow for ever. */
  async #keepIfLong(): Promise<void> {
    if (this.#logBytes < Math.max(LOG_BYTES_MIN, this.#keptBytes)) return;
    try {
      const bytes = await this.#copy.export(this.#of);
      await this.#log.keep(this.#of, { position: this.#position ?? 0, bytes });
      this.#keptBytes = bytes.length;
    } catch (error) {
      this.#onTrouble(`${this.#of.shape} ${this.#of.id} could not be kept whole: ${String(error)}`);
    }
    this.#logBytes = 0;
  }
}

const OVERTAKEN: Applied = {
  kind: "refused",
  reason: "another gateway has written to this database meanwhile",
  superseded: true,
};
