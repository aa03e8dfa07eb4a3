/** Owns what an incident says and what may be done about it. Pure, and careful: it comes from another system. */

export type Settlement = "retry" | "skip" | "resolve";

export interface Incident {
  readonly id: string;
  readonly commandId: string;
  readonly kind: string;
  readonly isOpen: boolean;
  readonly message: string;
  readonly createdAtMs: number;
  readonly closedBy: string | null;
  readonly action: string | null;
  readonly note: string | null;
}

export interface IncidentPage {
  readonly items: readonly Incident[];
  readonly cursor: string | null;
}

/** Concord's page (docs/wire.md §2). Throws when it is something else. */
export function readIncidents(body: unknown): IncidentPage {
  const { items, next_cursor: cursor } = body as {
    readonly items?: unknown;
    readonly next_cursor?: unknown;
  };
  if (!Array.isArray(items)) throw new Error("The gateway's answer holds no incidents.");
  return {
    items: items.map((one: Readonly<Record<string, unknown>>) => ({
      id: String(one["incident_id"]),
      commandId: String(one["command_id"]),
      kind: String(one["kind"]),
      isOpen: one["status"] === "open",
      message: String(one["message"]),
      createdAtMs: Date.parse(String(one["created_at"])),
      closedBy: textOf(one["closed_by"]),
      action: textOf(one["action"]),
      note: textOf(one["note"]),
    })),
    cursor: textOf(cursor),
  };
}

/** Concord lets these settle what a program could not. */
const SETTLERS = ["owner", "operator"];

export function maySettle(roles: readonly string[]): boolean {
  return SETTLERS.some((role) => roles.includes(role));
}

/** Only what could not be undone can be tried again or left; anything else is looked at and settled with a word. */
export function settlementsFor({ kind }: Pick<Incident, "kind">): readonly Settlement[] {
  return kind === "compensation_exhausted" ? ["retry", "skip", "resolve"] : ["resolve"];
}

export const SETTLEMENTS: Readonly<
  Record<Settlement, { readonly label: string; readonly means: string; readonly past: string }>
> = {
  retry: { label: "Try again", means: "Undo it once more, now.", past: "Tried again" },
  skip: {
    label: "Leave it standing",
    means: "It is not undone; the rest goes on.",
    past: "Left standing",
  },
  resolve: { label: "It is settled", means: "Somebody took care of it outside.", past: "Settled" },
};

/** Whoever leaves something standing, or says it is settled, says why. */
export function needsNote(action: Settlement): boolean {
  return action !== "retry";
}

const KINDS: Readonly<Record<string, string>> = {
  compensation_exhausted: "Could not be undone",
  compensation_drift: "Undone, but not as declared",
  outcome_unknown: "Nobody knows whether it happened",
};

export function kindText(kind: string): string {
  return KINDS[kind] ?? kind;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
