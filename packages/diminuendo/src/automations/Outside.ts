/**
 * Owns telling people outside of a run: by webhook, signed and guarded as Concord's own are, or by a task of Concord's in
 * the owner's name, under its policies. Refuses to own: when, and how often (delivery-round.ts).
 */
import {
  createWebhookSender,
  envSecrets,
  type SendResult,
  secretProblem,
} from "@concert/concord/webhooks";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import { Authenticator } from "../auth/Authenticator.ts";
import type { StoredDelivery } from "../db/stored-automations.ts";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import type { WebhookTarget } from "../protocol/index.ts";
import { ConcordClient } from "../upstream/ConcordClient.ts";
import type { UpstreamError } from "../upstream/upstream-http.ts";
import type { Sent } from "./core/delivery-attempts.ts";
import { taskKey } from "./core/ids.ts";
import { ownerNow } from "./owner-now.ts";

type WebhookPlace = Pick<WebhookTarget, "url" | "secretRef">;

interface WebhookProblem {
  readonly field: keyof WebhookPlace;
  readonly problem: string;
}

export class Outside extends Context.Service<
  Outside,
  {
    /** Why nothing can be sent, as far as one sees; its address first. */
    readonly problemsWith: (target: WebhookPlace) => Effect.Effect<readonly WebhookProblem[]>;
    /** One attempt. */
    readonly send: (delivery: StoredDelivery) => Effect.Effect<Sent, StorageError>;
  }
>()("diminuendo/automations/Outside") {
  static readonly layer = Layer.effect(
    Outside,
    Effect.gen(function* () {
      const { webhooks } = yield* AppConfig;
      const concord = yield* ConcordClient;
      const { read } = yield* WorkerManager;
      const { devIdentity } = yield* Authenticator;
      const secrets = envSecrets(process.env);
      const sender = createWebhookSender(secrets, webhooks);

      const post = Effect.fnUntraced(function* (
        { deliveryId, target }: StoredDelivery,
        { secretRef, body }: { readonly secretRef: string; readonly body: string },
      ) {
        const sentAtMs = yield* Clock.currentTimeMillis;
        const secretRefs = [secretRef as `env:${string}`];
        const message = { url: target, messageId: deliveryId, body, sentAtMs, secretRefs };
        return sentBy(yield* Effect.promise(() => sender.send(message)));
      });

      const ask = Effect.fnUntraced(function* (
        { runId, automationId, target }: StoredDelivery,
        message: Extract<StoredDelivery["message"], { readonly owner: unknown }>,
      ) {
        const { payload, dueAt } = message;
        const { tenant: tenantId, user: userId } = message.owner;
        const standing = yield* read({ kind: "standing", tenantId, userId });
        const owner = ownerNow(message.owner, standing, devIdentity);
        if (owner === null) return ownerGone;
        const due_at = new Date(dueAt).toISOString();
        const automation = { automation_id: automationId, run_id: runId, due_at };
        const command = {
          task_name: target,
          payload,
          idempotency_key: taskKey(runId),
          context: { ingress: "scheduled_trigger", metadata: { automation } },
        } as const;
        return yield* concord
          .act(owner, (one) => one.submit(command))
          .pipe(
            Effect.map(({ command_id }): Sent => ({ kind: "delivered", commandId: command_id })),
            Effect.catch((error) => Effect.succeed(notTaken(error))),
          );
      });

      const problemsWith = async ({ url, secretRef }: WebhookPlace) => {
        const address = await sender.problemWith(url);
        const signing = secretProblem(await secrets.resolve(secretRef as `env:${string}`));
        return [
          ...(address === undefined ? [] : [{ field: "url", problem: address } as const]),
          ...(signing === undefined ? [] : [{ field: "secretRef", problem: signing } as const]),
        ];
      };

      return Outside.of({
        problemsWith: (target) => Effect.promise(() => problemsWith(target)),
        send: (delivery) => {
          const { message } = delivery;
          return "body" in message ? post(delivery, message) : ask(delivery, message);
        },
      });
    }),
  );
}

function sentBy({ responseCode, error, ends, retryAfterMs }: SendResult): Sent {
  const code = responseCode === null ? {} : { responseCode };
  if (error === null) return { kind: "delivered", ...code };
  const patience = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { kind: "failed", error, isFinal: ends !== undefined, ...code, ...patience };
}

/** What Concord refuses it refuses again; that it does not answer passes. */
function notTaken(error: UpstreamError): Sent {
  if (error._tag === "Unreachable") {
    return { kind: "failed", error: "Concord does not answer now.", isFinal: false };
  }
  const { code, message, status } = error;
  return { kind: "failed", error: `${code}: ${message}`, isFinal: true, responseCode: status };
}

const ownerGone: Sent = {
  kind: "failed",
  error: "Its owner is no member of the tenant any more.",
  isFinal: true,
};
