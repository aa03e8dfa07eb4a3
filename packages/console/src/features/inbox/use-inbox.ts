/** Owns one view of the inbox: its items, over as many pages as the reader wants, and doing something about one. */
import type { InboxItem, InboxView } from "@concert/sdk";
import { useCallback, useState } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import type { Triage } from "./inbox.ts";

export interface InboxShown {
  readonly items: readonly InboxItem[];
  readonly unread: number;
  readonly more: boolean;
}

const PAGE = 30;
const LIMIT_MAX = 200;

export function useInbox(view: InboxView) {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.inbox);
  const [limit, setLimit] = useState(PAGE);
  const read = async (): Promise<InboxShown> => {
    const { items, unread, cursor } = await automations.inbox({ view, limit });
    return { items, unread, more: cursor !== undefined && limit < LIMIT_MAX };
  };
  const inbox = useLoaded(`${view} ${limit > PAGE ? "more" : ""}`, read, version + limit);
  const action = useAction();
  const act = useCallback(
    (item: InboxItem, what: Triage, untilMs = 0) =>
      action.run(`${what} ${item.itemId}`, async () => {
        if (what === "retry") await automations.retry(item.itemId);
        else if (what === "snooze") await automations.snooze(item.itemId, untilMs);
        else await automations.triage(item.itemId, what);
        inbox.reload();
      }),
    [automations, action.run, inbox.reload],
  );
  const showMore = () => setLimit((count) => Math.min(LIMIT_MAX, count + PAGE));
  return { inbox, action, act, showMore };
}

/** How many items nobody has looked at; null while that is unknown. */
export function useUnread(): number | null {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.inbox);
  const read = async () => (await automations.inbox({ view: "unread", limit: 1 })).unread;
  const unread = useLoaded("unread", read, version);
  return unread.status === "ready" ? unread.value : null;
}
