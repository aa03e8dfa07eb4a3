/**
 * Owns transactions over `podium.db` and the news that an instance's log grew.
 * Refuses to own: rules. Callers say what belongs together; this file makes it one commit.
 *
 * INVARIANT P7: listeners hear of events only after they are committed.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EventDraft } from "../runs/podium-events.ts";
import { EventLog } from "./event-log.ts";
import { Feed } from "./feed.ts";
import { Instances } from "./instances.ts";
import { type Removal, Removals } from "./removals.ts";
import { openDatabase } from "./schema.ts";
import { Steers } from "./steers.ts";
import { Thoughts } from "./thoughts.ts";
import { Turns } from "./turns.ts";
import { WorkspaceRounds } from "./workspace-rounds.ts";
import { type Owner, Workspaces } from "./workspaces.ts";

/** Told which instance's log grew. Must not throw. */
export type AppendListener = (instanceId: string) => void;

/** A transaction ends when its callback returns, so a callback that returns a promise is a mistake. */
type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

export class Store {
  readonly instances: Instances;
  readonly turns: Turns;
  readonly thoughts: Thoughts;
  readonly steers: Steers;
  readonly feed: Feed;
  readonly events: EventLog;
  readonly workspaces: Workspaces;
  readonly rounds: WorkspaceRounds;
  readonly removals: Removals;
  readonly #db: Database;
  readonly #now: () => string;
  readonly #listeners = new Set<AppendListener>();
  readonly #grown = new Set<string>();

  constructor(db: Database, now: () => string) {
    this.#db = db;
    this.#now = now;
    this.instances = new Instances(db);
    this.turns = new Turns(db);
    this.thoughts = new Thoughts(db);
    this.steers = new Steers(db);
    this.feed = new Feed(db);
    this.events = new EventLog(db);
    this.workspaces = new Workspaces(db);
    this.rounds = new WorkspaceRounds(db);
    this.removals = new Removals(db);
  }

  /** Opens the store in `dataDir`, creating both on first use. `now` gives ISO 8601 UTC. */
  static open(dataDir: string, now: () => string): Store {
    mkdirSync(dataDir, { recursive: true });
    return new Store(openDatabase(join(dataDir, "podium.db")), now);
  }

  now(): string {
    return this.#now();
  }

  /** Runs `change` as one transaction; when it throws, nothing of it happened. May not be nested. */
  write<T>(change: () => Synchronous<T>): T {
    this.#grown.clear();
    const result = this.#db.transaction(change).immediate();
    const grown = [...this.#grown];
    for (const instanceId of grown) for (const listener of this.#listeners) listener(instanceId);
    return result;
  }

  /** Appends to an instance's log; only inside `write`. Returns the number, or null for a known dedup key. */
  append(instanceId: string, turnId: string, draft: EventDraft): number | null {
    const eventId = this.events.append(instanceId, turnId, draft, this.#now());
    if (eventId !== null) this.#grown.add(instanceId);
    return eventId;
  }

  /** Takes an instance away for good, out of the file's write-ahead log as well. */
  remove(owner: Owner, removedBy: string): Removal {
    const removal = this.write(() => this.removals.remove(owner, removedBy, this.#now()));
    this.#db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    return removal;
  }

  onAppend(listener: AppendListener): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#db.close();
  }
}
