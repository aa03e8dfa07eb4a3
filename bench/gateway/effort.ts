/** Owns how much a run does: the sizes of the rows, in full and quick. Types and data only. */

export interface Effort {
  readonly connections: number;
  /** Of two viewers each. */
  readonly sessions: number;
  readonly deltasPerSecond: number;
  readonly seconds: number;
  readonly joins: number;
  readonly kills: number;
  readonly starts: number;
}

export const FULL: Effort = {
  connections: 10_000,
  sessions: 5_000,
  deltasPerSecond: 10_000,
  seconds: 10,
  joins: 300,
  kills: 10,
  starts: 15,
};

/** Less often and for a shorter time; as many connections, because it is them that cost. */
export const QUICK: Effort = { ...FULL, seconds: 3, joins: 100, kills: 3, starts: 5 };
