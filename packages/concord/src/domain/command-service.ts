/** Owns what callers may do with commands: submit, get, cancel (CMD-11). Every refusal is a thrown `Refusal`. */
import type { Command, Principal } from "../core/command.ts";
import { Refusal, type RefusalCode } from "../core/errors.ts";
import { decodeId } from "../core/ids.ts";
import { unstorable } from "../core/json.ts";
import type { IngressType } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import { addDependencies, type DependencyRequest } from "./dependencies.ts";
import { type Answer, provideInput } from "./input-service.ts";
import type { Kit } from "./kit.ts";
import { stopOrReverse } from "./reversal.ts";
import { wake } from "./runs.ts";
import type { Store, Tx } from "./store.ts";
import { type SubmitRequest, type Submitted, submitWithin } from "./submission.ts";

/** Refused requests that leave a trace (CMD-6): an audited rejection, never a silent one. */
const AUDITED: readonly RefusalCode[] = [
  "unknown_task",
  "validation_error",
  "idempotency_conflict",
  "dependency_cycle",
];
const NAME_CHARACTERS_MAX = 200;

export interface Rejected {
  readonly principal: Principal;
  readonly ingress: IngressType;
  readonly traceId: string;
  /** As asked for, when it could be read. */
  readonly taskName?: string;
  readonly code: string;
  readonly message: string;
}

export interface CommandService {
  /** Durable when it returns. Throws `unknown_task`, `validation_error`, `idempotency_conflict`. */
  submit(request: SubmitRequest): Promise<Submitted>;
  /** Puts on record that a request was refused before it could become a command (CMD-6). */
  reject(rejected: Rejected): Promise<void>;
  /** Throws `not_found`, also for another tenant's command. `id` is the outside form. */
  get(principal: Principal, id: string): Promise<Command>;
  /** Stops it, or takes its success back. Throws `not_found`, `forbidden`, `cancellation_closed`. */
  cancel(principal: Principal, id: string, reason?: string): Promise<Command>;
  /**
   * Answers what the command waits for: `input` is laid over its payload, and it is judged anew. Throws
   * `not_found`, `forbidden`, `illegal_transition` (it does not ask that), `validation_error` (it goes on waiting).
   */
  provideInput(
    principal: Principal,
    id: string,
    input: unknown,
    inputRequestId?: string,
  ): Promise<Command>;
  /** Leaves the question unanswered for good: the command is cancelled. Throws like `provideInput`. */
  dismissInput(principal: Principal, id: string, inputRequestId: string): Promise<Command>;
  /** Makes it wait for others. Throws `not_found`, `forbidden`, `dependency_cycle`, `illegal_transition`. */
  dependOn(
    principal: Principal,
    id: string,
    dependencies: readonly DependencyRequest[],
  ): Promise<Command>;
}

export function createCommandService(store: Store, kit: Kit): CommandService {
  const answer = async (id: string, given: Answer) => {
    const command = await findMine(store, given.principal, id, "answer");
    const outcome = await refusedOnRecord(store, command, given.principal, () =>
      store.transaction((tx) => provideInput(tx, kit, command.commandId, given)),
    );
    if (outcome instanceof Refusal) throw outcome;
    return outcome;
  };
  return {
    submit: async (request) => {
      try {
        return await store.transaction((tx) => submitWithin(tx, kit, request));
      } catch (error) {
        if (error instanceof Refusal && AUDITED.includes(error.code)) {
          const { code, message } = error;
          await auditRejection(store, { ...request, code, message });
        }
        throw error;
      }
    },
    reject: (rejected) => auditRejection(store, rejected),
    get: (principal, id) => findOwn(store, principal, id),
    cancel: async (principal, id, reason) => {
      const problem = unstorable(reason ?? "", "reason");
      if (problem !== undefined) throw new Refusal("validation_error", problem);
      const command = await findMine(store, principal, id, "cancel");
      const outcome = await store.transaction((tx) =>
        stopOrReverse(tx, kit, command.commandId, principal, reason ?? null),
      );
      if (outcome instanceof Refusal) throw outcome;
      return outcome;
    },
    provideInput: (principal, id, input, inputRequestId) =>
      answer(id, {
        principal,
        // Only whoever dismisses says nothing; a caller without types is told what an answer is.
        input: input ?? null,
        ...(inputRequestId === undefined ? {} : { inputRequestId }),
      }),
    dismissInput: (principal, id, inputRequestId) =>
      answer(id, { principal, input: undefined, inputRequestId }),
    dependOn: async (principal, id, dependencies) => {
      const found = await findMine(store, principal, id, "change");
      const waiting = async (tx: Tx) => {
        // The graph first: an edge locks its parent a little, which somebody who waits for the graph may hold.
        await tx.dependencies.lockGraph(principal.tenant);
        const command = await tx.commands.lock(found.commandId);
        if (command === undefined) throw new Error(`there is no command ${found.commandId}`);
        await addDependencies(tx, command, principal, dependencies);
        const waiting = { ...command, hasDependencies: true };
        await wake(tx, kit, waiting);
        return waiting;
      };
      return refusedOnRecord(store, found, principal, () => store.transaction(waiting));
    },
  };
}

/** STM-4: what a person asks of a command whose status does not allow it changes nothing, and is on record. */
async function refusedOnRecord<T>(
  store: Store,
  command: Command,
  principal: Principal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal && error.code === "illegal_transition") {
      const refused = { status: command.status, message: error.message };
      const event = eventOf(command, "transition_refused", refused, { actor: principal.user });
      await store.transaction((tx) => tx.events.append([event]));
    }
    throw error;
  }
}

async function findMine(
  store: Store,
  principal: Principal,
  id: string,
  verb: string,
): Promise<Command> {
  const command = await findOwn(store, principal, id);
  if (command.requestedBy === principal.user || principal.roles.includes("owner")) return command;
  throw new Refusal("forbidden", `Only the requester or an owner may ${verb} this command.`);
}

async function findOwn(store: Store, principal: Principal, id: string): Promise<Command> {
  const commandId = decodeId("command", id);
  const command =
    commandId === undefined ? undefined : await store.read((tx) => tx.commands.find(commandId));
  if (command === undefined || command.tenantId !== principal.tenant) {
    throw new Refusal(
      "not_found",
      "There is no such command; ids look like cmd_ and 32 hex digits.",
    );
  }
  return command;
}

async function auditRejection(store: Store, request: Rejected): Promise<void> {
  const { taskName: asked = "", code, message } = request;
  const isName = asked !== "" && unstorable(asked) === undefined;
  const taskName = isName ? asked.slice(0, NAME_CHARACTERS_MAX) : null;
  await store.transaction((tx) =>
    tx.events.append([
      {
        tenantId: request.principal.tenant,
        commandId: null,
        rootCommandId: null,
        parentCommandId: null,
        taskName,
        eventType: "command_rejected",
        payload: {
          code,
          message: printable(message),
          ingress: request.ingress,
        },
        actor: request.principal.user,
        traceId: request.traceId,
      },
    ]),
  );
}

function printable(message: string): string {
  return unstorable(message) === undefined
    ? message
    : "the request held text that cannot be stored";
}
