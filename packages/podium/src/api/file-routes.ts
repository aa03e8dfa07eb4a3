/**
 * Owns the reads of an instance's workspace over HTTP (docs/wire.md §4). A file's path is the rest of the address: as
 * one percent-encoded segment it is always clear, as several segments `history` and `at/<n>` at the end are read as such.
 */
import { ApiError } from "@concert/service-kit";
import { actorOf, ownedInstance } from "../engine/instance-access.ts";
import { toldAs } from "../files/file-content.ts";
import { filePath, folderPath, PARTS_MAX } from "../files/file-path.ts";
import { entriesBelow } from "../files/file-tree.ts";
import type { Store } from "../store/store.ts";
import type { StoredFile } from "../store/workspaces.ts";
import type { PodiumApp } from "./app.ts";

export interface FileRouteNeeds {
  readonly store: Store;
  readonly internalSecret: string;
}

export function addFileRoutes(app: PodiumApp, { store, internalSecret }: FileRouteNeeds): void {
  const ownerOf = async (headers: Headers, instanceId: string) => {
    const actor = await actorOf(headers, internalSecret);
    return ownedInstance(store, instanceId, actor?.tenant);
  };

  app.get("/api/v1/instances/:id/files", async (context) => {
    const { instanceId } = await ownerOf(context.req.raw.headers, context.req.param("id"));
    const folder = folderPath(context.req.query("path") ?? "");
    const depth = depthOf(context.req.query("depth"));
    const items = entriesBelow(store.workspaces.files(instanceId), folder, depth);
    if (items !== undefined) return context.json({ items });
    throw new ApiError(404, "unknown_file", `The workspace has nothing at "${folder}".`);
  });

  app.get("/api/v1/instances/:id/files/*", async (context) => {
    const owner = await ownerOf(context.req.raw.headers, context.req.param("id"));
    const asked = readRest(new URL(context.req.url).pathname);
    const { workspaces } = store;
    switch (asked.what) {
      case "file":
        return context.json(shown(workspaces.read(owner, asked.path)));
      case "at":
        return context.json(shown(workspaces.at(owner, asked.path, asked.iteration)));
      case "history":
        return context.json({ items: workspaces.history(owner.instanceId, asked.path) });
    }
  });
}

function shown({ path, iteration, content }: StoredFile) {
  return { path, ...toldAs(content), iteration };
}

function depthOf(given: string | undefined): number {
  const depth = Number(given ?? "1");
  if (Number.isInteger(depth) && depth >= 1 && depth <= PARTS_MAX) return depth;
  throw new ApiError(400, "invalid_request", `depth: a whole number from 1 to ${PARTS_MAX}.`);
}

type AskedFile =
  | { readonly what: "file" | "history"; readonly path: string }
  | { readonly what: "at"; readonly path: string; readonly iteration: number };

/** What stands after `/files/`, still percent-encoded. */
function readRest(pathname: string): AskedFile {
  const parts = pathname.split("/").slice(6);
  const [before, last] = [parts.at(-2), parts.at(-1) ?? ""];
  if (parts.length >= 2 && last === "history") {
    return { what: "history", path: decoded(parts.slice(0, -1)) };
  }
  if (parts.length >= 3 && before === "at" && /^\d{1,9}$/.test(last)) {
    return { what: "at", path: decoded(parts.slice(0, -2)), iteration: Number(last) };
  }
  return { what: "file", path: decoded(parts) };
}

function decoded(parts: readonly string[]): string {
  try {
    return filePath(parts.map(decodeURIComponent).join("/"));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new ApiError(400, "invalid_path", "The path is not percent-encoded UTF-8.");
  }
}
