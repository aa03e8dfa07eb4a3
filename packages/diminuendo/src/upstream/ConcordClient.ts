/**
 * Owns what the gateway asks of Concord for a person, with failures in the gateway's words: deciding approvals,
 * commands, and reads. Every request carries that person's signed token; Concord decides. The conversation itself is
 * `@concert/concord/client` (docs/wire.md §2).
 */
import {
  ConcordError,
  createConcordClient,
  type ConcordClient as Shared,
} from "@concert/concord/client";
import { type Actor, signActor } from "@concert/service-kit/identity";
import { traceparent } from "@concert/service-kit/trace";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import { CurrentTrace } from "../observability/trace.ts";
import type { Decision } from "../protocol/index.ts";
import { Breakers } from "../resilience/Breakers.ts";
import { readPolicy } from "../resilience/retry-policy.ts";
import { Refused, TIMEOUT_MS, Unreachable, type UpstreamError } from "./upstream-http.ts";

export interface Resolution {
  readonly approvalId: string;
  readonly decision: Decision;
  readonly reason?: string;
}
/** What may be asked again at will. */
export type ConcordReads = Pick<
  Shared,
  "get" | "timeline" | "approvals" | "artifact" | "inputs" | "incidents"
>;
/** What changes something. */
export type ConcordActs = Pick<
  Shared,
  "provideInput" | "dismissInput" | "settleIncident" | "submit"
>;

export class ConcordClient extends Context.Service<
  ConcordClient,
  {
    /** Not repeated on failure: whether the decision arrived is for the person to look up. */
    readonly resolveApproval: (
      actor: Actor,
      resolution: Resolution,
    ) => Effect.Effect<void, UpstreamError>;
    /** What a person does in Concord; not repeated on failure either. */
    readonly act: <A>(
      actor: Actor,
      work: (concord: ConcordActs) => Promise<A>,
    ) => Effect.Effect<A, UpstreamError>;
    readonly read: <A>(
      actor: Actor,
      ask: (concord: ConcordReads) => Promise<A>,
    ) => Effect.Effect<A, UpstreamError>;
  }
>()("diminuendo/upstream/ConcordClient") {
  static readonly layer = Layer.effect(
    ConcordClient,
    Effect.gen(function* () {
      const { concord, internalSecret } = yield* AppConfig;
      const breakers = yield* Breakers;
      const anybody = createConcordClient({ ...concord, timeoutMs: TIMEOUT_MS });
      const ask = Effect.fnUntraced(function* <A>(
        actor: Actor,
        request: (concord: Shared) => Promise<A>,
      ) {
        const trace = yield* CurrentTrace;
        const asActor = anybody.with({
          actorToken: () => signActor(actor, "concord", internalSecret),
          ...(trace === null ? {} : { traceparent: traceparent(trace) }),
        });
        const answer = Effect.tryPromise({ try: () => request(asActor), catch: failureOf });
        return yield* breakers.guard("concord", answer);
      });
      return ConcordClient.of({
        resolveApproval: (actor, { approvalId, decision, reason }) =>
          Effect.asVoid(ask(actor, (one) => one.resolve(approvalId, decision, reason))),
        act: ask,
        read: (actor, request) =>
          ask(actor, request).pipe(
            Effect.retry({ schedule: readPolicy, while: (error) => error._tag === "Unreachable" }),
          ),
      });
    }),
  );
}

function failureOf(error: unknown): UpstreamError {
  const service = "concord";
  if (!(error instanceof ConcordError) || error.isTransient) {
    return new Unreachable({ service, reason: String(error) });
  }
  const { status, code, message, details } = error;
  return new Refused({
    service,
    status,
    code,
    message,
    ...(details === undefined ? {} : { details }),
  });
}
