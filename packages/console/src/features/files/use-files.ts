/** Owns the files of one session's agent: what there is now, and one of them in each of its versions. */
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";

/** How often a file of the session has changed while somebody looked. */
const useChanges = (sessionId: string) =>
  useGatewayState((state) => state.fileChanges[sessionId] ?? 0);

export function useFiles(sessionId: string) {
  const { files } = useGateway();
  const read = () => files.listFiles(sessionId, { depth: 20 });
  return useLoaded(sessionId, read, useChanges(sessionId));
}

/** `iteration` null: as it is now. */
export function useFile(sessionId: string, path: string, iteration: number | null) {
  const { files } = useGateway();
  const read = () =>
    iteration === null
      ? files.readFile(sessionId, path)
      : files.fileAtIteration(sessionId, path, iteration);
  return useLoaded(`${sessionId} ${path} ${iteration ?? ""}`, read, useChanges(sessionId));
}

export function useVersions(sessionId: string, path: string) {
  const { files } = useGateway();
  const read = () => files.fileHistory(sessionId, path);
  return useLoaded(`${sessionId} ${path}`, read, useChanges(sessionId));
}
