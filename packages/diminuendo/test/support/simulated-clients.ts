/**
 * Clients as the world has them, from a seed: they join anywhere, are cut, reload and forget, read slowly, say things at
 * bad moments, while mishaps befall whatever serves them. At the end each client's view has to be the log.
 */
import { expect } from "bun:test";
import type { SessionEvent } from "../../src/protocol/index.ts";
import { TOKENS } from "./gateway-process.ts";
import { compact, expectMessagesAsStreamed, expectWholeLog } from "./log-view.ts";
import { type Random, randomOf } from "./random.ts";
import { TestClient } from "./test-client.ts";

const CLIENTS = 5;
const STEPS = 60;
const MISHAPS_MAX = 4;
const PATIENCE_MS = 120_000;

/** A person with a view that outlives connections, and what the gateway has promised them. */
class Person {
  readonly name: string;
  /** What was seen since the view began, across connections. */
  view: SessionEvent[] = [];
  /** Where the view began. */
  from = 0;
  readonly promised: string[] = [];
  #client: TestClient | null = null;
  #epoch: string | undefined;
  #taken = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Connects and joins where the view ends. False when the gateway is not there. */
  async join(port: number, sessionId: string): Promise<boolean> {
    this.cut();
    try {
      const client = await TestClient.as(port, TOKENS.ann);
      const seq = this.view.at(-1)?.seq ?? this.from;
      const place =
        this.#epoch === undefined ? { afterSeq: seq } : { cursor: { epoch: this.#epoch, seq } };
      const snapshot = await client.ask({ type: "join_session", sessionId, ...place });
      expect(snapshot["replay"]).not.toBe("snapshot");
      this.#epoch = String(snapshot["epoch"]);
      this.#client = client;
      this.#taken = 0;
      return true;
    } catch {
      return false;
    }
  }

  /** Takes what has arrived, or only a part of it: the rest is taken later, or lost with the connection. */
  read(sessionId: string, atMost = Number.POSITIVE_INFINITY): void {
    const log = this.#client?.log(sessionId) ?? [];
    const fresh = log.slice(this.#taken, this.#taken + atMost);
    this.view.push(...fresh);
    this.#taken += fresh.length;
  }

  cut(): void {
    this.#client?.socket.terminate();
    this.#client = null;
  }

  /** A reload: everything is forgotten. */
  forget(from: number): void {
    this.cut();
    this.view = [];
    this.from = from;
    this.#epoch = undefined;
  }

  /** Says something, and remembers it if it was accepted. An answer that is cut off is no promise. */
  async say(sessionId: string, text: string, key: string): Promise<void> {
    const client = this.#client;
    if (client === null || client.closeCode !== null) return;
    const ask = {
      type: "run_turn",
      sessionId,
      text,
      idempotencyKey: key,
      whenBusy: "enqueue",
    } as const;
    const answer = await Promise.race([client.ask(ask).catch(() => null), closed(client)]);
    if (answer?.type === "turn_accepted") this.promised.push(String(answer["turnId"]));
  }

  has(turnIds: readonly string[]): boolean {
    return turnIds.every((turnId) => this.view.some((e) => ended(e) && e.turnId === turnId));
  }
}

const ended = (e: SessionEvent) => e.type === "turn_complete" || e.type === "turn_error";
const closed = async (client: TestClient): Promise<null> => {
  while (client.closeCode === null) await Bun.sleep(10);
  return null;
};

const TEXTS = ["hi", "stream 60", "stream 300", "odd things", "fail now"];

/** What the clients meet. */
export interface Served {
  /** Where a gateway serves, as a balancer would say; not always the same one. */
  readonly port: (random: Random) => number;
  /** Sockets to Podium break. */
  readonly dropSockets: () => void;
  /** Something dies, and comes back; now, or while the clients go on. */
  readonly mishap: (random: Random) => Promise<void>;
  /** Everything is back. */
  readonly mended: () => Promise<void>;
}

/** Lives through it, then checks every view against the log that is stored. */
export async function livesThrough(seed: number, served: Served): Promise<void> {
  const random = randomOf(seed);
  const people = Array.from({ length: CLIENTS }, (_, index) => new Person(`p${index}`));
  const maker = await TestClient.as(served.port(random), TOKENS.ann);
  const sessionId = await maker.newSession();
  maker.close();
  let mishaps = 0;
  for (let step = 0; step < STEPS; step += 1) {
    const person = people[random(CLIENTS)] ?? people[0];
    if (person === undefined) throw new Error("nobody");
    const what = random(20);
    if (what < 6) await person.join(served.port(random), sessionId);
    else if (what < 10) person.read(sessionId, random(3) === 0 ? 2 : undefined);
    else if (what < 12) person.cut();
    else if (what < 13) person.forget(random(2) === 0 ? 0 : random(5));
    else if (what < 17) {
      await person.say(sessionId, TEXTS[random(TEXTS.length)] ?? "hi", `${person.name}-${step}`);
    } else if (what < 18) served.dropSockets();
    else if (what < 19 && mishaps < MISHAPS_MAX) {
      mishaps += 1;
      await served.mishap(random);
    } else await Bun.sleep(random(60));
  }
  await served.mended();
  await settle(people, sessionId, () => served.port(random));
}

async function settle(people: readonly Person[], sessionId: string, port: () => number) {
  const promised = people.flatMap((one) => one.promised);
  const deadline = Date.now() + PATIENCE_MS;
  for (const person of people) {
    person.read(sessionId);
    while (!(await person.join(port(), sessionId)) && Date.now() < deadline) await Bun.sleep(100);
    // Who began later than the first event may have begun after the end of a turn.
    while (person.from === 0 && !person.has(promised) && Date.now() < deadline) {
      await Bun.sleep(20);
      person.read(sessionId);
    }
  }
  const witness = await TestClient.as(port(), TOKENS.ann);
  await witness.ask({ type: "join_session", sessionId });
  await witness.until(() => witness.has("caught_up"));
  const resting = () => {
    const last = witness.log(sessionId).findLast((e) => e.type === "session_state");
    return last === undefined || last.status === "ready" || last.status === "inactive";
  };
  await witness.until(resting);
  const stored = await witness.storedLog(sessionId);
  expectWholeLog(stored);
  const head = stored.at(-1)?.seq ?? 0;
  for (const person of people) {
    while ((person.view.at(-1)?.seq ?? person.from) < head && Date.now() < deadline) {
      await Bun.sleep(20);
      person.read(sessionId);
    }
    expectWholeLog(person.view, person.from + 1);
    expectMessagesAsStreamed(person.view, person.from);
    expect(compact(person.view)).toEqual(stored.filter(({ seq }) => seq > person.from));
    person.cut();
  }
  expectPromisesKept(stored, promised);
  witness.close();
}

/** What was promised happened, once; and nothing else did. */
function expectPromisesKept(stored: readonly SessionEvent[], promised: readonly string[]): void {
  const ends = stored.filter(ended).map(({ turnId }) => turnId);
  expect(new Set(ends).size).toBe(ends.length);
  for (const turnId of promised) expect(ends).toContain(turnId);
  const keys = stored.flatMap((e) => (e.type === "user_message" ? [e.idempotencyKey] : []));
  expect(new Set(keys).size).toBe(keys.length);
}
