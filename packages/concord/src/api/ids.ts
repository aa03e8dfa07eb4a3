/** Owns reading ids that come as query parameters: one that names nothing is told like a missing thing. */
import { ApiError } from "@concert/service-kit";
import { type CommandId, decodeId } from "../core/ids.ts";

export function commandIdOf(text: string): CommandId {
  const id = decodeId("command", text);
  if (id !== undefined) return id;
  throw new ApiError(404, "not_found", `"${text}" names no command.`);
}
