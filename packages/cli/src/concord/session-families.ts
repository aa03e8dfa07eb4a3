/** Owns the commands over sessions as data: which there are, deleting one for good, and the record of deletions (docs/protocol.md, "Deleting"). */
import { type Family, PAGING, page, path } from "./operation.ts";
import type { Row } from "./render.ts";

const SESSION = { name: "session", help: "the id of the session" };

const removed = ({ removed: done, deletedAt, ...one }: Row): Row => ({
  ...one,
  deletedAt: new Date(Number(deletedAt)).toISOString(),
  removed: done === null ? "not yet" : "yes",
});

const SESSIONS: Family = {
  name: "session",
  summary: "conversations at the gateway",
  service: "gateway",
  operations: [
    {
      name: "list",
      summary: "list the sessions, those used last first",
      flags: PAGING,
      run: async (api, { flags }) =>
        page(
          await api.ask({ path: "/api/threads", query: flags }),
          ["id", "status", "waitingFor", "name", "updatedAt"],
          "There are no sessions.",
        ),
    },
    {
      name: "delete",
      summary: "delete a session for good, with its agent's log and files",
      args: [SESSION],
      run: async (api, { args: [session] }) => {
        const value = await api.ask({ method: "DELETE", path: path`/api/threads/${session}` });
        return { value, text: `${session} is deleted; what was done stays on record.` };
      },
    },
    {
      name: "deleted",
      summary: "who deleted which session, and whether its agent's log and files are gone",
      flags: PAGING,
      run: async (api, { flags }) =>
        page(
          await api.ask({ path: "/api/threads/deleted", query: flags }),
          ["sessionId", "deletedBy", "deletedAt", "removed"],
          "No session was deleted.",
          removed,
        ),
    },
  ],
};

export const SESSION_FAMILIES: readonly Family[] = [SESSIONS];
