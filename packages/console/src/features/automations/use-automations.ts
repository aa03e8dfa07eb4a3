/** Owns the automations of the workspace, the runs of one of them, and doing something about one. */
import type { Automation, AutomationInput, Blueprint } from "@concert/sdk";
import { useCallback } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";
import { usePages } from "../../lib/use-pages.ts";

export type Control = "run" | "pause" | "resume" | "delete";

const RUNS_PAGE = 20;

export function useAutomations() {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.automations);
  const list = useLoaded("automations", () => automations.list(), version);
  const action = useAction();
  const control = useCallback(
    ({ automationId }: Automation, what: Control) =>
      action.run(`${what} ${automationId}`, async () => {
        await automations[what](automationId);
        list.reload();
      }),
    [automations, action.run, list.reload],
  );
  return { list, action, control };
}

export function useRuns(automationId: string) {
  const { automations } = useGateway();
  const version = useGatewayState((state) => state.moves.automations);
  const readPage = async (from: string | null) => {
    const after = from === null ? {} : { cursor: from };
    const page = await automations.runs({ automationId, limit: RUNS_PAGE, ...after });
    return { items: page.items, next: page.cursor ?? null };
  };
  return usePages(automationId, readPage, version);
}

/** Saves over `automation`, or with null a new one; `done` is told once the gateway has it. */
export function useSaving(automation: Automation | null, done: () => void) {
  const { automations } = useGateway();
  const action = useAction();
  const save = async (definition: AutomationInput, blueprint: Blueprint | null) => {
    const saved = await action.run("save", () => {
      if (automation !== null) {
        return automations.update(automation.automationId, automation.version, definition);
      }
      return blueprint === null
        ? automations.create(definition)
        : automations.createFrom(blueprint.blueprintId, definition);
    });
    if (saved) done();
  };
  return { action, save };
}

const BLUEPRINTS_SHOWN = 200;

export function useBlueprints() {
  const { automations } = useGateway();
  const read = async () => (await automations.blueprints({ limit: BLUEPRINTS_SHOWN })).items;
  return useLoaded("blueprints", read);
}
