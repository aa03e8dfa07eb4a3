/**
 * Owns when each connection hears that we are here: once in an interval, a few connections at a time. Ten thousand at once
 * would keep everybody's events waiting for as long as a notice to all of them takes. Who has not signed in by its second
 * heartbeat is closed: it would cost memory for nobody. Pure but for its own memory.
 */
import { CLOSE_CODES, encodeServerFrame } from "../protocol/index.ts";
import type { Connection } from "./Connection.ts";

/** Parts of an interval; a connection's heartbeat falls into one of them. */
export const BEAT_PARTS = 60;
const BEATS_AS_NOBODY_MAX = 2;

export class Heartbeats {
  #nextPart = 0;
  #now = 0;

  /** The parts are filled evenly, whoever comes when. */
  add(connection: Connection): void {
    connection.beatPart = this.#nextPart;
    this.#nextPart = (this.#nextPart + 1) % BEAT_PARTS;
  }

  /** To be called `BEAT_PARTS` times in an interval. */
  beat(connections: Iterable<Connection>, ts: number): void {
    const text = encodeServerFrame({ type: "heartbeat", ts });
    // Who is closed leaves the set under our hands, which a set allows.
    for (const connection of connections) {
      if (connection.beatPart !== this.#now) continue;
      if (connection.actor === null) dismissStranger(connection);
      else connection.sendText(text);
    }
    this.#now = (this.#now + 1) % BEAT_PARTS;
  }
}

function dismissStranger(connection: Connection): void {
  connection.beatsAsNobody += 1;
  if (connection.beatsAsNobody < BEATS_AS_NOBODY_MAX) return;
  connection.close(CLOSE_CODES.authentication, "nobody authenticated in time");
}
