/** Owns what words for a turn under way are to its thoughts. */

export interface Steer {
  readonly steerId: string;
  readonly text: string;
  /** The thought that read it first. */
  readonly stepIndex: number;
}
