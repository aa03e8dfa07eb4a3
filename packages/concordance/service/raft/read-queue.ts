/**
 * Owns the reads that wait for proof of leadership: first for a round of messages that they can share, then
 * for its answers. Refuses to own: when a round proves anything (reads.ts).
 */
import { judgeRead, type ReadTicket } from "./reads.ts";
import type { RaftState } from "./types.ts";

type Answer = (served: boolean) => void;

export class ReadQueue {
  #askers: Answer[] = [];
  #waiting: { readonly ticket: ReadTicket; readonly answer: Answer }[] = [];

  add(answer: Answer): void {
    this.#askers.push(answer);
  }

  get needsRound(): boolean {
    return this.#askers.length > 0;
  }

  /** Everyone who asked so far takes this ticket; without one, nobody is served. */
  begin(ticket: ReadTicket | null): void {
    const askers = this.#askers.splice(0);
    if (ticket === null) for (const answer of askers) answer(false);
    else this.#waiting.push(...askers.map((answer) => ({ ticket, answer })));
  }

  settle(state: RaftState, appliedIndex: number): void {
    for (const read of this.#waiting.splice(0)) {
      const verdict = judgeRead(state, read.ticket, appliedIndex);
      if (verdict === "waiting") this.#waiting.push(read);
      else read.answer(verdict === "confirmed");
    }
  }

  abandon(): void {
    this.begin(null);
    for (const { answer } of this.#waiting.splice(0)) answer(false);
  }
}
