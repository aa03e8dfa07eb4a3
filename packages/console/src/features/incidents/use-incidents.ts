/** Owns the incidents of the workspace, open or closed, and settling one. */
import { useCallback } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import { type Incident, readIncidents, type Settlement } from "./incidents.ts";

const PAGE = 100;

export function useIncidents(status: "open" | "closed") {
  const gateway = useGateway();
  const read = async (signal: AbortSignal) =>
    readIncidents(await gateway.fetchJson(`/api/incidents?status=${status}&limit=${PAGE}`, signal));
  const list = useLoaded(status, read);
  const action = useAction();
  const settle = useCallback(
    ({ id }: Incident, what: Settlement, note: string) =>
      action.run(`${what} ${id}`, async () => {
        const because = note.trim() === "" ? {} : { note: note.trim() };
        const path = `/api/incidents/${encodeURIComponent(id)}/settle`;
        await gateway.postJson(path, { action: what, ...because });
        list.reload();
      }),
    [gateway, action.run, list.reload],
  );
  return { list, action, settle };
}
