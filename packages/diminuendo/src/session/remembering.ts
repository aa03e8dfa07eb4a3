/**
 * Owns what an `idempotencyKey` means: the same request of the same person again changes nothing and gets the first
 * answer; another request under the same key is refused. The answer is kept in the commit that makes it true.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import type { Remembered } from "../db/stored-session.ts";
import { WorkerManager } from "../db/WorkerManager.ts";
import type { ClientMessage, ServerMessage } from "../protocol/index.ts";
import { refuse } from "../security/Refusal.ts";

type Keyed = Extract<ClientMessage, { readonly idempotencyKey?: string }>;

/** The first answer to this request, or null if it is the first. `sessionId` null: kept with the tenant. */
export const recallAnswer = Effect.fnUntraced(function* (
  { tenant: tenantId, user: userId }: Actor,
  sessionId: string | null,
  message: Keyed,
) {
  const { idempotencyKey: key } = message;
  if (key === undefined) return null;
  const workers = yield* WorkerManager;
  const known = yield* workers.read({ kind: "remembered", tenantId, sessionId, userId, key });
  if (known === null) return null;
  if (known.fingerprint !== fingerprintOf(message)) return yield* otherRequest;
  return JSON.parse(known.answer) as ServerMessage;
});

/** What is kept of this request and its answer; null when it has no key. */
export function rememberedAs(
  { user: userId }: Actor,
  message: Keyed,
  answer: ServerMessage,
): Remembered | null {
  const { idempotencyKey: key } = message;
  if (key === undefined) return null;
  return { userId, key, fingerprint: fingerprintOf(message), answer: JSON.stringify(answer) };
}

/** The request but for what may differ when it is sent again: its mark, which in `answer_question` is the question. */
function fingerprintOf(message: Keyed): string {
  const { idempotencyKey: _, requestId, ...asked } = message;
  const about = message.type === "answer_question" ? { requestId } : {};
  return JSON.stringify({ ...asked, ...about });
}

const otherRequest = refuse(
  "IdempotencyConflict",
  "This idempotencyKey belongs to another request; use a new key.",
);
