/** Owns one view of the inbox: its items, over as many pages as the reader wants, and doing something about one. */
import type { InboxItem, InboxView } from "@concert/sdk";
import { useCallback } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import { type Page, usePages } from "../../lib/use-pages.ts";
import type { Triage } from "./inbox.ts";

export interface InboxPage extends Page {
  readonly items: readonly InboxItem[];
}

const PAGE = 30;

export function useInbox(view: InboxView) {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.inbox);
  const readPage = async (from: string | null): Promise<InboxPage> => {
    const after = from === null ? {} : { cursor: from };
    const { items, cursor = null } = await automations.inbox({ view, limit: PAGE, ...after });
    return { items, next: cursor };
  };
  const inbox = usePages(view, readPage, version);
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
  return { inbox, action, act };
}

/** How many items nobody has looked at; null while that is unknown. */
export function useUnread(): number | null {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.inbox);
  const read = async () => (await automations.inbox({ view: "unread", limit: 1 })).unread;
  const unread = useLoaded("unread", read, version);
  return unread.status === "ready" ? unread.value : null;
}
