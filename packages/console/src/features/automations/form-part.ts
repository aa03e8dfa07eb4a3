/** Owns what each part of the form of an automation is given: what was typed, how to type on, and what is wrong. */
import type { Draft } from "./automation-draft.ts";

export interface FormPart {
  readonly draft: Draft;
  readonly set: (change: Partial<Draft>) => void;
  /** By the path of the field in the definition. */
  readonly problems: Readonly<Record<string, string>>;
}

export interface SessionChoice {
  readonly sessionId: string;
  readonly name: string;
}

/** Sessions as choices; one that is not listed (any more) stays a choice while it is the one that was chosen. */
export function sessionOptions(
  sessions: readonly SessionChoice[],
  chosen: string,
  none: string,
): { readonly value: string; readonly label: string }[] {
  const listed = sessions.map(({ sessionId, name }) => ({
    value: sessionId,
    label: `In “${name}”`,
  }));
  const isListed = chosen === "" || sessions.some(({ sessionId }) => sessionId === chosen);
  const other = isListed ? [] : [{ value: chosen, label: `In ${chosen}` }];
  return [{ value: "", label: none }, ...listed, ...other];
}
