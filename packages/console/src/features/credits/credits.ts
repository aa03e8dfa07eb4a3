/** Owns how credits read, and what of a form becomes an amount. Pure. The gateway counts in millionths of a credit. */

const MICRO = 1_000_000;
const CREDITS_MAX = 1e9;

/** "12.5", "0.0004": as many digits as the amount has, at most six. */
export function formatCredits(microcredits: number): string {
  const credits = microcredits / MICRO;
  return credits.toLocaleString(undefined, { maximumFractionDigits: 6 });
}

/** "+12.5", "−0.25". */
export function formatChange(microcredits: number): string {
  const sign = microcredits > 0 ? "+" : microcredits < 0 ? "−" : "";
  return `${sign}${formatCredits(Math.abs(microcredits))}`;
}

/** Millionths of a credit, or what is wrong. */
export function readCredits(
  text: string,
  { zero = false }: { readonly zero?: boolean } = {},
): { readonly microcredits: number } | { readonly problem: string } {
  const credits = Number(text.trim().replace(",", "."));
  const tooLittle = zero ? credits < 0 : credits <= 0;
  if (text.trim() === "" || !Number.isFinite(credits) || tooLittle) {
    return { problem: zero ? "This needs an amount, 0 or more." : "This needs an amount above 0." };
  }
  if (credits > CREDITS_MAX) return { problem: "That is more than one billion credits." };
  return { microcredits: Math.round(credits * MICRO) };
}

export interface LedgerEntry {
  readonly kind: string;
  readonly turnId: string | null;
  readonly sessionId: string | null;
  readonly microcredits: number;
  readonly at: number;
}

export interface Account {
  readonly balance: {
    readonly available: number;
    readonly reserved: number;
    readonly spent: number;
  };
  readonly entries: readonly LedgerEntry[];
  readonly nextCursor: string | null;
}

export interface Spending {
  readonly limits: {
    readonly tenant: number | null;
    readonly everybody: number | null;
    readonly users: Readonly<Record<string, number>>;
  };
  readonly spent: { readonly tenant: number; readonly user: number };
}

const KINDS: Readonly<Record<string, string>> = {
  grant: "Credits to begin with",
  topup: "Topped up",
  reserve: "Put aside for a turn",
  settle: "Turn paid, the rest given back",
  release: "Given back",
};

export function entryText(kind: string): string {
  return KINDS[kind] ?? kind;
}

export interface LimitRow {
  readonly of: "tenant" | "everybody" | "user";
  readonly userId: string;
  readonly label: string;
  readonly microcredits: number | null;
}

/** The limits as lines: the workspace, everybody by themselves, then single people. */
export function limitRows({ limits }: Spending): readonly LimitRow[] {
  const { tenant, everybody, users } = limits;
  return [
    { of: "tenant", userId: "", label: "The whole workspace", microcredits: tenant },
    { of: "everybody", userId: "", label: "Each person", microcredits: everybody },
    ...Object.entries(users).map(([userId, microcredits]) => ({
      of: "user" as const,
      userId,
      label: userId,
      microcredits,
    })),
  ];
}
