/**
 * Owns the proposals that wait for the disk: bounded in number and size, and cut into batches that share
 * one sync (pitfalls 19 and 21). Refuses to own: what becomes of them (driver.ts).
 */

export interface Proposal<T> {
  readonly payload: string;
  readonly resolve: (outcome: T) => void;
}

export const QUEUE_PROPOSALS_MAX = 4_096;
const QUEUE_CHARS_MAX = 64 * 1_048_576;
const BATCH_PROPOSALS_MAX = 256;
const BATCH_CHARS_MAX = 4 * 1_048_576;

export class ProposalQueue<T> {
  readonly #proposals: Proposal<T>[] = [];
  #chars = 0;

  get size(): number {
    return this.#proposals.length;
  }

  /** False when there is no room; the proposal is not kept then. */
  add(proposal: Proposal<T>): boolean {
    const full = this.#chars + proposal.payload.length > QUEUE_CHARS_MAX;
    if (full || this.#proposals.length >= QUEUE_PROPOSALS_MAX) return false;
    this.#proposals.push(proposal);
    this.#chars += proposal.payload.length;
    return true;
  }

  /** The oldest ones, as many as one sync should carry. */
  takeBatch(): readonly Proposal<T>[] {
    let chars = 0;
    const cut = this.#proposals.findIndex((proposal, position) => {
      chars += proposal.payload.length;
      return position > 0 && (chars > BATCH_CHARS_MAX || position >= BATCH_PROPOSALS_MAX);
    });
    const batch = this.#proposals.splice(0, cut === -1 ? this.#proposals.length : cut);
    for (const { payload } of batch) this.#chars -= payload.length;
    return batch;
  }
}
