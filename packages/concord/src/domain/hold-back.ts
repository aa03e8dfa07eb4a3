/** Owns what a command that waits for others does meanwhile (CMD-20, CMD-22): wait, be cancelled with them, or be blocked. */
import type { Command } from "../core/command.ts";
import { cancelCommand } from "./cancellation.ts";
import { type DependencyState, dependencyState, unreachableText } from "./dependencies.ts";
import { type Directive, DONE } from "./directive.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import type { Tx } from "./store.ts";

/** Who cancels what nobody asked to cancel. */
const CONCORD = "concord";

/** Undefined when the command may go on as its status says. */
export async function holdBack(tx: Tx, kit: Kit, command: Command): Promise<Directive | undefined> {
  const state = await dependencyState(tx, command);
  if (state.kind === "met") return undefined;
  if (state.kind === "unreachable") return giveUp(tx, kit, command, state);
  // Questions may be answered meanwhile; only the work itself has to wait.
  const isReady = command.status === "queued" || command.status === "blocked";
  return isReady ? { kind: "wait", untilMs: null } : undefined;
}

async function giveUp(
  tx: Tx,
  kit: Kit,
  command: Command,
  { parent, propagateCancellation }: Extract<DependencyState, { kind: "unreachable" }>,
): Promise<Directive | undefined> {
  const why = unreachableText(parent);
  if (propagateCancellation) {
    await cancelCommand(tx, kit, command.commandId, CONCORD, why);
    return DONE;
  }
  if (command.status === "queued") {
    const running = await moveCommand(tx, command, "running");
    await moveCommand(tx, running, "blocked", { reason: why });
  }
  const isReady = command.status === "queued" || command.status === "blocked";
  return isReady ? { kind: "wait", untilMs: null } : undefined;
}
