/** Owns who belongs to the workspace, and changing that. */
import type { MemberAction } from "@concert/sdk";
import { useAction } from "../../lib/use-action.ts";
import { useGateway } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";

export function useMembers() {
  const gateway = useGateway();
  const people = useLoaded("members", () => gateway.people());
  const action = useAction();
  /** `what` names it, for the button that waits. */
  const change = (what: string, wish: MemberAction) =>
    action.run(what, async () => {
      const now = await gateway.changeMembers(wish);
      people.put(() => now);
    });
  return { people, action, change };
}
