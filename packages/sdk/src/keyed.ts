/** Owns the key under which a change is asked for, so that it can be asked again and happens once. */
export interface Keyed {
  /** Default: a new one. Give the same key to repeat a request of an earlier life of the program. */
  readonly idempotencyKey?: string;
}

export const keyed = ({ idempotencyKey }: Keyed) => ({
  idempotencyKey: idempotencyKey ?? crypto.randomUUID(),
});
