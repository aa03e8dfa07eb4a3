/**
 * Owns how one socket follows an instance's log: it pulls from the log, from a number on, at the speed the
 * socket can take. Nothing is queued per socket, so a slow one costs one page of memory (design D5).
 *
 * INVARIANT P13: a socket gets every event after `after` once and in order, because the only state is the
 * number last sent; "replay" and "live" are the same read.
 */
import type { PodiumEvent } from "../runs/podium-events.ts";

const PAGE_EVENTS = 100;

/** What became of a frame: on its way, on its way but wait for `drained`, or lost with its connection. */
export type Sent = "sent" | "congested" | "lost";

export interface LogReaderNeeds {
  readonly read: (after: number, limit: number) => readonly PodiumEvent[];
  readonly send: (frame: string) => Sent;
  /** The socket has taken nothing for `stallMsMax`, or a frame was lost: close it. */
  readonly giveUp: () => void;
  readonly stallMsMax: number;
}

export class LogReader {
  readonly #needs: LogReaderNeeds;
  #sentEventId: number;
  #stall: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(after: number, needs: LogReaderNeeds) {
    this.#sentEventId = after;
    this.#needs = needs;
  }

  /** Sends what the log has and the socket takes. Called at the start, when the log grew and when it drained. */
  pump(): void {
    while (!this.#closed && this.#stall === undefined) {
      const page = this.#needs.read(this.#sentEventId, PAGE_EVENTS);
      if (page.length === 0) return;
      this.#sendPage(page);
    }
  }

  /** The socket can take more. */
  drained(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.pump();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#stall);
  }

  #giveUp(): void {
    this.close();
    this.#needs.giveUp();
  }

  #sendPage(page: readonly PodiumEvent[]): void {
    for (const event of page) {
      const sent = this.#needs.send(JSON.stringify(event));
      if (sent === "lost") {
        this.#giveUp();
        return;
      }
      this.#sentEventId = event.event_id;
      if (sent === "congested") {
        this.#stall = setTimeout(() => this.#giveUp(), this.#needs.stallMsMax);
        return;
      }
    }
  }
}
