/**
 * Owns turning a request into a durable command (spec §7, §35): row, policy, plan, effects, approval and the
 * runtime's message in one transaction. Invariants G1 (nothing before the row) and G3 (no effect without a
 * decision). Refuses to own: HTTP, and running the plan.
 */
import type { AgentCallRef, Command, Place, Principal } from "../core/command.ts";
import { newContext } from "../core/context.ts";
import { type Failure, failureOf, Refusal } from "../core/errors.ts";
import { asId, type CommandId, decodeId } from "../core/ids.ts";
import { isJsonObject, type Json, type JsonObject, toJson, unstorable } from "../core/json.ts";
import type { CombinedDecision } from "../core/policy.ts";
import { issuesText } from "../core/validation.ts";
import { INGRESS_TYPES, type IngressType, type RiskLevel } from "../core/vocabulary.ts";
import { maySee } from "./artifacts.ts";
import { openQuestionsOf, type Question } from "./asking.ts";
import { eventOf } from "./audit.ts";
import { addDependencies, type DependencyRequest } from "./dependencies.ts";
import { claimKey, conflict, type KeyClaim, requestHashOf } from "./derived-key.ts";
import { openGate } from "./gate.ts";
import { type Asking, askForInput, refuseForWant } from "./input.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { planCommand } from "./plan-command.ts";
import { judgeCommand } from "./policy-evaluation.ts";
import { startOrPark, workflowIdOf } from "./runs.ts";
import type { NewCommand, Tx } from "./store.ts";
import { acceptsIngress, type FactReader, type Task } from "./tasks.ts";

export interface SubmitRequest {
  /** Empty when the task is asked for by its `commandType`. */
  readonly taskName: string;
  /** the one task that makes commands of this type. */
  readonly commandType?: string;
  readonly payload: unknown;
  readonly principal: Principal;
  readonly ingress: IngressType;
  readonly traceId: string;
  readonly idempotencyKey?: string;
  readonly runAs?: string;
  readonly metadata?: JsonObject;
  /** Default: that of the parent. */
  readonly place?: Place;
  readonly parent?: Command;
  readonly agentCall?: AgentCallRef;
  readonly riskAtLeast?: RiskLevel;
  /** Chosen beforehand by a caller who has to name the command before it exists. */
  readonly commandId?: CommandId;
  /** Commands that have to rest as they should before this one starts. */
  readonly dependsOn?: readonly DependencyRequest[];
  /** The task's derived key, when the caller looked at it before; otherwise it is claimed here. */
  readonly claim?: KeyClaim;
}

export interface Submitted {
  readonly command: Command;
  /** True when the key named a command that already existed. */
  readonly replayed: boolean;
}

/** A long conversation fits; the runtime is handed the command's id only, never the payload. */
const PAYLOAD_CHARACTERS_MAX = 786_432;
const KEY_CHARACTERS_MAX = 256;

/** The task and the payload as it will be stored. Throws `Refusal` `unknown_task` or `validation_error`. */
export function checkRequest(
  kit: Kit,
  request: Pick<
    SubmitRequest,
    "taskName" | "commandType" | "payload" | "ingress" | "idempotencyKey" | "metadata" | "place"
  >,
): { readonly task: Task; readonly payload: JsonObject } {
  const task = taskAskedFor(kit, request);
  if (!INGRESS_TYPES.includes(request.ingress)) {
    throw invalid(`"${request.ingress}" is no ingress; known: ${INGRESS_TYPES.join(", ")}`);
  }
  if (!acceptsIngress(task, request.ingress)) {
    throw invalid(`${task.name} does not accept ${request.ingress}`);
  }
  const key = request.idempotencyKey;
  if (key !== undefined && (key === "" || key.length > KEY_CHARACTERS_MAX)) {
    throw invalid(`idempotency_key needs 1 to ${KEY_CHARACTERS_MAX} characters`);
  }
  const problem =
    unstorable(request.payload, "payload") ??
    unstorable(key ?? "", "idempotency_key") ??
    unstorable(request.metadata ?? {}, "context.metadata") ??
    unstorable(request.place ?? {}, "context");
  if (problem !== undefined) throw invalid(problem);
  return { task, payload: checkPayload(task, request.payload) };
}

function taskAskedFor(
  { catalog }: Kit,
  { taskName, commandType }: Pick<SubmitRequest, "taskName" | "commandType">,
): Task {
  const names =
    taskName !== "" || commandType === undefined
      ? [taskName]
      : catalog.taskNames().filter((name) => catalog.task(name)?.commandType === commandType);
  const [name = "", ...others] = names;
  const task = catalog.task(name);
  if (task !== undefined && others.length === 0) return task;
  const asked = taskName === "" ? `of type "${commandType}"` : `"${taskName}"`;
  const message =
    others.length > 0
      ? `Several tasks are ${asked}: ${names.join(", ")}; name one of them.`
      : `No task ${asked} is registered; known: ${catalog.taskNames().join(", ")}.`;
  throw new Refusal("unknown_task", message);
}

/** Creates the command, or finds the one its key already made. Throws `Refusal`; then nothing was written. */
export async function submitWithin(tx: Tx, kit: Kit, request: SubmitRequest): Promise<Submitted> {
  const { task, payload } = checkRequest(kit, request);
  const claim =
    request.idempotencyKey === undefined
      ? (request.claim ?? (await claimKey(tx, kit, task, payload, request.principal)))
      : undefined;
  if (claim?.holder !== undefined) return { command: claim.holder, replayed: true };
  const fresh = newCommand(kit, request, task, payload, claim);
  const created = await tx.commands.insert(fresh);
  if (created === undefined) return { command: await replay(tx, fresh), replayed: true };
  await tx.events.append([
    eventOf(created, "command_created", createdPayload(created)),
    eventOf(created, "input_validated", {}),
  ]);
  const { dependsOn = [], principal } = request;
  await addDependencies(tx, created, principal, dependsOn);
  const waiting = { ...created, hasDependencies: dependsOn.length > 0 };
  const informed = await inform(tx, waiting, task);
  if ("failure" in informed) {
    const { failure } = informed;
    return { command: await moveCommand(tx, waiting, "failed", { failure }), replayed: false };
  }
  const validated = await moveCommand(tx, informed.command, "validated");
  return { command: await decide(tx, kit, validated, task), replayed: false };
}

/** Facts, policy, plan and gate once more, for a command that came back to `validated` with another payload. */
export async function judgeAgain(tx: Tx, kit: Kit, command: Command, task: Task): Promise<Command> {
  const informed = await inform(tx, command, task);
  if (!("failure" in informed)) return decide(tx, kit, informed.command, task);
  return moveCommand(tx, command, "failed", { failure: informed.failure });
}

async function inform(
  tx: Tx,
  command: Command,
  task: Task,
): Promise<{ readonly command: Command } | { readonly failure: Failure }> {
  const facts = await gatherFacts(tx, command, task);
  if ("error" in facts) return { failure: failureOf(facts.error) };
  if (task.gatherFacts !== undefined) await tx.commands.setFacts(command.commandId, facts.facts);
  return { command: { ...command, facts: facts.facts } };
}

async function decide(tx: Tx, kit: Kit, validated: Command, task: Task): Promise<Command> {
  const { command, combined } = await judgeCommand(tx, kit, validated, task);
  if (combined.decision !== "deny") {
    const open = openQuestionsOf(task, command);
    if ("failure" in open) return moveCommand(tx, command, "failed", { failure: open.failure });
    const wanted = policyQuestions(combined);
    const questions = [...wanted, ...open.questions];
    if (questions.length > 0) {
      const waits = open.questions.length > 0 || task.tool?.waitsForPerson === true;
      const actor = wanted.length > 0 ? "policy" : task.name;
      return askRequester(tx, kit, command, task, { actor, questions }, waits);
    }
  }
  const planned = await planCommand(tx, kit, command, task, combined);
  if ("failure" in planned) {
    return moveCommand(tx, command, "failed", { failure: planned.failure });
  }
  return openGate(tx, kit, { command, task, planned, combined });
}

function policyQuestions({ decision, reasons }: CombinedDecision): readonly Question[] {
  return decision === "require_more_input" ? [{ text: reasons.join("; "), fields: [] }] : [];
}

/** POL-10: more has to be known. */
async function askRequester(
  tx: Tx,
  kit: Kit,
  command: Command,
  task: Task,
  asking: Asking,
  agentWaits: boolean,
): Promise<Command> {
  if (command.context.agentCall !== undefined && !agentWaits) {
    return refuseForWant(tx, command, asking);
  }
  const asked = await askForInput(tx, kit, command, asking);
  if (command.workflowId !== null) return asked;
  await tx.commands.setWorkflow(command.commandId, workflowIdOf(command));
  return startOrPark(tx, asked, task);
}

function checkPayload(task: Task, payload: unknown): JsonObject {
  if (!isJsonObject(payload)) throw invalid("payload must be a JSON object");
  if (JSON.stringify(payload).length > PAYLOAD_CHARACTERS_MAX) {
    throw invalid(`payload is larger than ${PAYLOAD_CHARACTERS_MAX} characters`);
  }
  const issues = task.validate(payload);
  if (issues.length > 0) {
    throw new Refusal(
      "validation_error",
      `The payload does not fit ${task.name}: ${issuesText(issues)}`,
      issues,
    );
  }
  return payload;
}

function newCommand(
  kit: Kit,
  request: SubmitRequest,
  task: Task,
  payload: JsonObject,
  claim: KeyClaim | undefined,
): NewCommand {
  const commandId = request.commandId ?? asId("command", kit.newId());
  return {
    commandId,
    tenantId: request.principal.tenant,
    commandType: task.commandType,
    taskName: task.name,
    requestedBy: request.principal.user,
    ingress: request.ingress,
    payload,
    context: newContext(
      {
        ...request,
        actor: request.principal,
        place: request.place ?? request.parent?.context.place,
      },
      kit.newId,
    ),
    requestHash: requestHashOf(kit, task, payload),
    idempotencyKey: request.idempotencyKey ?? claim?.key ?? null,
    derivedKey: claim?.derivedKey ?? null,
    parentCommandId: request.parent?.commandId ?? null,
    rootCommandId: request.parent?.rootCommandId ?? commandId,
    traceId: request.traceId,
    cancellationMode: task.cancellationMode,
  };
}

/** CMD-13, CMD-15: the same request again is a replay, another one under the same key a conflict. */
async function replay(tx: Tx, fresh: NewCommand): Promise<Command> {
  const { tenantId, commandType, idempotencyKey } = fresh;
  const found = await tx.commands.findByKey(tenantId, commandType, idempotencyKey ?? "");
  if (found === undefined) throw new Error("a conflicting command disappeared");
  if (found.requestHash !== fresh.requestHash) throw conflict(idempotencyKey, found);
  return found;
}

async function gatherFacts(
  tx: Tx,
  command: Command,
  task: Task,
): Promise<{ readonly facts: JsonObject } | { readonly error: unknown }> {
  if (task.gatherFacts === undefined) return { facts: {} };
  let storage: { readonly error: unknown } | undefined;
  const fromStorage = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      storage = { error };
      throw error;
    }
  };
  const read: FactReader = {
    artifact: async (text) => {
      const id = decodeId("artifact", text);
      if (id === undefined) return undefined;
      return fromStorage(async () => {
        const found = await tx.artifacts.find(id, command.tenantId);
        if (found === undefined || !maySee(found, command.context.actor)) return undefined;
        await tx.artifacts.noteRead(command.commandId, id);
        return found;
      });
    },
    recentCommands: (seconds) => fromStorage(() => tx.commands.countRecent(command, seconds)),
  };
  try {
    const facts = toJson(await task.gatherFacts(command.payload, read));
    return isJsonObject(facts) ? { facts } : { facts: {} };
  } catch (error) {
    // A broken connection is ours to report; anything else is the contract's answer.
    if (storage !== undefined) throw storage.error;
    return { error };
  }
}

function createdPayload(command: Command): JsonObject {
  const call = command.context.agentCall;
  return {
    ingress: command.ingress,
    command_type: command.commandType,
    request_hash: command.requestHash,
    idempotency_key: command.idempotencyKey,
    ...(call === undefined ? {} : { call_id: call.callId as Json }),
  };
}

function invalid(problem: string): Refusal {
  return new Refusal("validation_error", `The request cannot be used: ${problem}.`, [
    { path: "", message: problem },
  ]);
}
