/**
 * Owns how much may be spent in a day: by a tenant as a whole, by each of its people, and by one of them in particular,
 * which goes before what holds for each. A day is the 24 hours before now. Pure. Amounts are microcredits.
 */

export const DAY_MS = 86_400_000;

/** What is not limited is null or not there. */
export interface SpendingLimits {
  readonly tenant: number | null;
  readonly everybody: number | null;
  readonly users: Readonly<Record<string, number>>;
}
export const NO_LIMITS: SpendingLimits = { tenant: null, everybody: null, users: {} };

/** Spent and put aside in the last day. */
export interface Spent {
  readonly tenant: number;
  readonly user: number;
}

export const isLimited = ({ tenant, everybody, users }: SpendingLimits): boolean =>
  tenant !== null || everybody !== null || Object.keys(users).length > 0;

/** Whose limit stands against spending so much more; null: nobody's. What costs nothing is never refused. */
export function limitAgainst(
  limits: SpendingLimits,
  spent: Spent,
  wish: { readonly userId: string; readonly microcredits: number },
): "tenant" | "user" | null {
  const { userId, microcredits } = wish;
  if (microcredits === 0) return null;
  const own = Object.hasOwn(limits.users, userId) ? limits.users[userId] : undefined;
  const user = own ?? limits.everybody;
  if (user !== null && spent.user + microcredits > user) return "user";
  return limits.tenant !== null && spent.tenant + microcredits > limits.tenant ? "tenant" : null;
}
