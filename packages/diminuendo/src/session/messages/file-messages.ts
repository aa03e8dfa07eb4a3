/**
 * Owns `list_files`, `read_file`, `file_history` and `file_at_iteration`: reads of the agent's workspace, which Podium
 * serves. The gateway's own check is that the session is the person's tenant's, and that a path stays inside.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { workspacePath } from "../../domain/workspace-path.ts";
import type { ClientMessageOf } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { PodiumFiles } from "../../upstream/PodiumFiles.ts";
import type { Refused } from "../../upstream/upstream-http.ts";
import { sessionFor } from "../access.ts";

type FileMessage = ClientMessageOf<
  "list_files" | "read_file" | "file_history" | "file_at_iteration"
>;

export const readFiles = Effect.fn("readFiles")(function* (actor: Actor, message: FileMessage) {
  const session = yield* sessionFor(actor, "session:read", message.sessionId);
  const path = workspacePath(message.path ?? "");
  if (path === undefined) return yield* outside;
  const files = yield* PodiumFiles;
  const place = { instanceId: session.instanceId, actor, path };
  return yield* ask(files, place, message).pipe(
    Effect.catchTag("Refused", (refused) =>
      isUnborn(refused) && message.type === "list_files" && path === ""
        ? Effect.succeed({ ...listOf(message.sessionId, path), entries: [] })
        : Effect.fail(asRefusal(refused)),
    ),
  );
});

const ask = Effect.fnUntraced(function* (
  files: PodiumFiles["Service"],
  place: { readonly instanceId: string; readonly actor: Actor; readonly path: string },
  message: FileMessage,
) {
  const { sessionId } = message;
  const { path } = place;
  switch (message.type) {
    case "list_files": {
      const entries = yield* files.list(place, message.depth ?? 1);
      return { ...listOf(sessionId, path), entries };
    }
    case "read_file":
      return { type: "file_content" as const, sessionId, file: yield* files.read(place) };
    case "file_at_iteration": {
      const file = yield* files.at(place, message.iteration);
      return { type: "file_content" as const, sessionId, file };
    }
    case "file_history": {
      const iterations = yield* files.history(place);
      return { type: "file_history" as const, sessionId, path, iterations };
    }
  }
});

const listOf = (sessionId: string, path: string) => ({
  type: "file_list" as const,
  sessionId,
  path,
});

/** A session whose agent has not been asked for anything yet: it has no files either. */
const isUnborn = ({ code }: Refused) => code === "unknown_instance";

/** A Podium without workspaces has no such route; one with them says what is missing. */
const asRefusal = ({ status, code, message }: Refused) => {
  if (code === "route_not_found" || status === 405) {
    return refuse("NotSupported", "The agents of this installation keep no workspace files.");
  }
  return status === 404
    ? refuse("FileNotFound", "The workspace has no such file.")
    : refuse("INVALID_MESSAGE", message);
};

const outside = refuse("INVALID_MESSAGE", "path is relative to the workspace and stays inside it.");
