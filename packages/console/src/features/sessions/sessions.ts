/** Owns what a session's state means to people, and in which order sessions are listed. Pure. */
import type { SessionMeta } from "@concert/sdk";

/** Newest activity first; what waits for a person comes before everything. */
export function orderedSessions(
  sessions: Readonly<Record<string, SessionMeta>>,
): readonly SessionMeta[] {
  return Object.values(sessions)
    .filter((session) => !session.archived)
    .toSorted((left, right) => rank(left) - rank(right) || right.updatedAt - left.updatedAt);
}

/** The state in words. The socket's state is another matter and never said here. */
export function sessionState(session: Pick<SessionMeta, "status" | "waitingFor">): string {
  switch (session.status) {
    case "waiting":
      return WAITING[session.waitingFor ?? "approval"];
    case "running":
      return "Working";
    case "activating":
      return "Waking up";
    case "deactivating":
      return "Going to sleep";
    case "error":
      return "Stopped by an error";
    case "ready":
      return "Ready";
    case "inactive":
      return "Asleep";
  }
}

const WAITING = {
  approval: "Waiting for your approval",
  question: "Waiting for your answer",
  both: "Waiting for your approval and your answer",
} as const;

/** What a session asks of people, in a list of sessions. */
export const NEEDS = {
  approval: "Needs your decision",
  question: "Needs your answer",
  both: "Needs your decision and your answer",
} as const;

const SESSION_NAME_CHARS_MAX = 80;

/** A name for a session that starts with `text`. */
export function nameFrom(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  if (line.length <= SESSION_NAME_CHARS_MAX) return line;
  return `${line.slice(0, SESSION_NAME_CHARS_MAX - 1).trimEnd()}…`;
}

function rank(session: SessionMeta): number {
  return session.waitingFor === null ? 1 : 0;
}
