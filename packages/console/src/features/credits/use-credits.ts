/** Owns the workspace's credits: the balance with its ledger, the limits, and changing either. */
import { useRef } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import { usePages } from "../../lib/use-pages.ts";
import type { Account, LimitRow, Spending } from "./credits.ts";

const PAGE = 25;

export function useAccount() {
  const gateway = useGateway();
  const readPage = async (from: string | null, signal: AbortSignal | null) => {
    const after = from === null ? "" : `&cursor=${encodeURIComponent(from)}`;
    const path = `/api/billing?limit=${PAGE}${after}`;
    const account = (await gateway.fetchJson(path, signal)) as Account;
    return { ...account, next: account.nextCursor };
  };
  const account = usePages("account", readPage);
  const action = useAction();
  // The same payment is booked once: its mark changes only when it has arrived.
  const mark = useRef(crypto.randomUUID());
  const topUp = async (microcredits: number) => {
    const worked = await action.run("top-up", () =>
      gateway.postJson("/api/billing/top-ups", { microcredits, idempotencyKey: mark.current }),
    );
    if (worked) {
      mark.current = crypto.randomUUID();
      account.reload();
    }
    return worked;
  };
  return { account, action, topUp };
}

export function useLimits() {
  const gateway = useGateway();
  const read = async (signal: AbortSignal) =>
    (await gateway.fetchJson("/api/billing/limits", signal)) as Spending;
  const limits = useLoaded("limits", read);
  const action = useAction();
  /** Null lifts it. */
  const set = ({ of, userId }: Pick<LimitRow, "of" | "userId">, microcredits: number | null) =>
    action.run(`${of} ${userId}`, async () => {
      const who = of === "user" ? { of, userId } : { of };
      const body = { ...who, microcreditsPerDay: microcredits };
      const now = (await gateway.postJson("/api/billing/limits", body)) as Spending;
      limits.put(() => now);
    });
  return { limits, action, set };
}
