/**
 * Owns where a client's message is answered: reading is done here, from whatever log there is; everything else by the owner
 * of the tenant, who is asked with the message as it came. A message that the owner's death leaves unanswered is asked of
 * the next one, under a key that makes it one message.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { v7 as uuidv7 } from "uuid";
import type { ServerMessage } from "../protocol/index.ts";
import type { Cause as Causer } from "../transport/Reader.ts";
import { type AskedAnywhere, type RouteError, Router } from "../transport/Router.ts";
import { wentElsewhere } from "./elsewhere.ts";
import { Owners } from "./Owners.ts";
import { Peers } from "./Peers.ts";

/** What changes something under a key; the same again under it changes nothing more. */
const KEYED: ReadonlySet<AskedAnywhere["type"]> = new Set([
  "create_session",
  "rename_session",
  "archive_session",
  "unarchive_session",
  "delete_session",
  "run_turn",
  "stop_turn",
  "steer",
  "manage_members",
] as const);

/** Takes the router that does things here and gives the one that also asks others. */
export const fleetRouter = Layer.effect(
  Router,
  Effect.gen(function* () {
    const here = yield* Router;
    const peers = yield* Peers;
    const owners = yield* Owners;

    const ask = Effect.fnUntraced(function* (
      causer: Causer,
      actor: Actor,
      asked: AskedAnywhere,
    ): Effect.fn.Return<ServerMessage, RouteError> {
      if (asked.type === "ping") return yield* here.ask(causer, actor, asked);
      // Asked of ourselves it is asked once; what may be on its way to another when that one dies needs a name.
      let message = owners.claimOf(actor.tenant) > 0 ? asked : named(asked);
      // Concord decides an approval once; what became of an unanswered decision, its event tells.
      const again = asked.type !== "answer_question";
      const origin = causer.origin ?? null;
      for (;;) {
        const answer = yield* peers.ask(actor, { kind: "ask", message, origin }, again);
        if (answer.kind === "answered") return answer.value as ServerMessage;
        const done = yield* here
          .ask(causer, actor, message)
          .pipe(
            Effect.catchCause((cause) =>
              wentElsewhere(cause) ? Effect.as(owners.look, null) : Effect.failCause(cause),
            ),
          );
        if (done !== null) return done;
        message = named(message);
      }
    });

    return Router.of({
      ...here,
      ask,
      route: (connection, actor, message) => {
        switch (message.type) {
          case "authenticate":
          case "join_session":
          case "leave_session":
          case "get_events":
            return here.route(connection, actor, message);
          default:
            return ask(causerOf(connection), actor, message);
        }
      },
    });
  }),
);

/** The connection as the cause of something that may happen at another gateway. */
const causerOf = (connection: Causer & { readonly clientId: string }): Causer => ({
  origin: connection.clientId,
  publishToOthers: (topic, text) => connection.publishToOthers(topic, text),
});

function named(message: AskedAnywhere): AskedAnywhere {
  if (!KEYED.has(message.type) || "idempotencyKey" in message) return message;
  return { ...message, idempotencyKey: `via_${uuidv7()}` } as AskedAnywhere;
}
