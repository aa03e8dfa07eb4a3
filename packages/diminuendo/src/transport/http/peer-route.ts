/**
 * Owns the route between the gateways of a fleet. It is answered to who can sign for the fleet and to nobody else, stands in
 * no document of ours, and is not there at all in a gateway that is alone.
 */
import { ApiError } from "@concert/service-kit/errors";
import { ACTOR_HEADER, verifyActor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { AppConfig } from "../../app-config.ts";
import { PEER_AUDIENCE, PEER_BYTES_MAX, PEER_PATH } from "../../fleet/peer-wire.ts";
import { PeerDesk } from "../PeerDesk.ts";
import type { OpenRoute } from "./routes.ts";

export const PEER_ROUTE: OpenRoute = {
  method: "POST",
  path: PEER_PATH,
  summary: "What another gateway of the fleet asks.",
  open: true,
  answer: Effect.fnUntraced(function* ({ request }) {
    const desk = yield* PeerDesk;
    if (desk === null) return yield* alone;
    const { internalSecret } = yield* AppConfig;
    const actor = yield* Effect.tryPromise({
      try: () => verifyActor(request.headers.get(ACTOR_HEADER), PEER_AUDIENCE, internalSecret),
      catch: (error) => error,
    });
    const length = Number(request.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
    if (length > PEER_BYTES_MAX) return yield* tooLarge;
    const answer = yield* desk.answer(actor, yield* Effect.promise(() => request.text()));
    return answer === null ? yield* unknown : Response.json(answer);
  }),
};

const alone = Effect.fail(
  new ApiError(
    404,
    "route_not_found",
    "This gateway is alone; --broadcast makes it one of several.",
  ),
);
const tooLarge = Effect.fail(
  new ApiError(413, "request_too_large", `A gateway says at most ${PEER_BYTES_MAX} bytes at once.`),
);
const unknown = Effect.fail(
  new ApiError(400, "invalid_request", "This is no request between gateways of this version."),
);
