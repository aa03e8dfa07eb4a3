/**
 * Owns where a client's message is answered: reading is done here, from whatever log there is; everything else by the owner
 * of the tenant, who is asked with the message as it came. A message that the owner's death leaves unanswered is asked of
 * the next one, under a key that makes it one message.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { v7 as uuidv7 } from "uuid";
import { ClientMessage, type ServerMessage } from "../protocol/index.ts";
import type { Cause as Causer } from "../transport/Reader.ts";
import { type AskedAnywhere, type RouteError, Router } from "../transport/Router.ts";
import { wentElsewhere } from "./elsewhere.ts";
import { Owners } from "./Owners.ts";
import { Peers } from "./Peers.ts";

/** What changes something takes a key; the same again under it changes nothing more. Only a decision is another's to keep. */
const KEYED: ReadonlySet<string> = new Set(
  ClientMessage.members
    .filter(({ fields }) => "idempotencyKey" in fields)
    .map(({ fields }): string => fields.type.schema.literal)
    .filter((type) => type !== "answer_question"),
);

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
      const origin = causer.origin ?? null;
      // Concord decides an approval once; what became of an unanswered decision, its event tells.
      const again = asked.type !== "answer_question";
      let message: Forwarded = asked;
      for (;;) {
        if ((yield* owners.ownerOf(actor.tenant, "ready")).kind === "self") {
          const done = yield* doneHere(causer, actor, message);
          if (done !== null) return done;
        } else {
          // It may be on its way to an owner when that one dies: the next one has to know it again.
          message = named(message);
          const answer = yield* peers.ask(actor, { kind: "ask", message, origin }, again);
          if (answer.kind === "answered") return answer.value as ServerMessage;
        }
      }
    });

    /** Null: nothing was done, as the tenant is another gateway's by now. */
    const doneHere = (causer: Causer, actor: Actor, message: AskedAnywhere) =>
      here
        .ask(causer, actor, message)
        .pipe(
          Effect.catchCause((cause) =>
            wentElsewhere(cause) ? Effect.as(owners.look, null) : Effect.failCause(cause),
          ),
        );

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

type Forwarded = Exclude<AskedAnywhere, { readonly type: "ping" }>;

function named(message: Forwarded): Forwarded {
  if (!KEYED.has(message.type) || "idempotencyKey" in message) return message;
  return { ...message, idempotencyKey: `via_${uuidv7()}` } as Forwarded;
}
