/** Owns the identifiers that the gateway makes: a prefix and a UUIDv7 in hex. Not pure: new ones are random. */
import { v7 as uuidv7 } from "uuid";

export type IdPrefix = "sess" | "turn" | "msg" | "steer" | "epoch" | "gw" | "auto" | "blue";

export function newId(prefix: IdPrefix): string {
  return `${prefix}_${uuidv7().replaceAll("-", "")}`;
}

/** A session always has the same instance at Podium, so that asking for it twice makes one. */
export function instanceIdOf(sessionId: string): string {
  return `inst_${sessionId.replace(/^sess_/, "")}`;
}
