/** Owns what a workflow's body is handed on DBOS: each call of the port is one DBOS step, transaction or wait. */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { assertStillOwnsWorkflow, DBOSError } from "@dbos-inc/dbos-sdk/datasource";
import type { ClientBase } from "pg";
import type { Json } from "../../core/json.ts";
import type { WorkflowContext } from "../protocol/index.ts";
import type { PgDataSource } from "./data-source.ts";

/**
 * DBOS notifies on arrival; this bounds the wait if a notification is lost. Every parked run asks this often,
 * so it is the price of a waiting approval.
 */
const POLL_MS = 30_000;

/** `isStopping`: from then on no run begins anything more here. */
export function dbosContext(
  dataSource: PgDataSource,
  isStopping: () => boolean,
): WorkflowContext<ClientBase> {
  return {
    get workflowId() {
      return DBOS.workflowID ?? "";
    },
    transaction: (name, work) => dataSource.run(name, () => work(dataSource.client)),
    step: (name, work) => DBOS.runStep(work, { name }),
    stepUnlessOver: (name, work, isOver) => stepUnlessOver(name, work, isOver, isStopping),
    wait: async (topic, deadlineMs) => {
      const options = { deadlineEpochMS: deadlineMs, pollingIntervalMs: POLL_MS };
      return (await DBOS.recv<Json>(topic, options)) ?? undefined;
    },
    sleep: (ms) => DBOS.sleep(ms),
    assertOwned: () => assertStillOwnsWorkflow(DBOS.workflowID ?? ""),
    isInterrupt: (error) => error instanceof DBOSError,
  };
}

/** A checkpoint is seven statements and a commit, as much as a call of a vendor: a run that ends here has its end on record. */
async function stepUnlessOver<T extends Json>(
  name: string,
  work: () => Promise<T>,
  isOver: (value: T) => boolean,
  isStopping: () => boolean,
): Promise<T> {
  const outcome = await work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome && outcome.error instanceof DBOSError) throw outcome.error;
  if ("value" in outcome && isOver(outcome.value)) return outcome.value;
  // Its end would be taken for a failure: it goes on from its rows, with the next start or elsewhere.
  if (isStopping()) return new Promise<never>(() => undefined);
  const recorded = async () => {
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  };
  return DBOS.runStep(recorded, { name });
}
