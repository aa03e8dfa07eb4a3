/** Owns the automations of the workspace, the runs of one of them, and doing something about one. */
import type { Automation, AutomationInput } from "@concert/sdk";
import { useCallback } from "react";
import { useAction } from "../../lib/use-action.ts";
import { useGateway, useGatewayState } from "../../lib/use-gateway.ts";
import { useLoaded } from "../../lib/use-loaded.ts";

export type Control = "run" | "pause" | "resume" | "delete";

const RUNS_SHOWN = 20;

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
  const read = async () => (await automations.runs({ automationId, limit: RUNS_SHOWN })).items;
  return useLoaded(automationId, read, version);
}

/** `done` is told once the gateway has it. */
export function useCreation(done: () => void) {
  const { automations } = useGateway();
  const action = useAction();
  const create = async (definition: AutomationInput) => {
    if (await action.run("create", () => automations.create(definition))) done();
  };
  return { action, create };
}
