/** Owns asking the router from HTTP as a client of the socket would: one message, with its schema and its checks. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import { ClientMessage } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { type AskedAnywhere, Router } from "../Router.ts";
import { SocketServer } from "../SocketServer.ts";

export type Fields = Readonly<Record<string, unknown>>;

const asMessage = Schema.decodeUnknownEffect(ClientMessage);

export const ask = Effect.fnUntraced(function* (actor: Actor, fields: Fields) {
  const message = yield* asMessage(fields).pipe(
    Effect.mapError((error) => refuse("INVALID_MESSAGE", error.message)),
  );
  const { publish } = yield* SocketServer;
  const router = yield* Router;
  return yield* router.ask({ publishToOthers: publish }, actor, message as AskedAnywhere);
});
