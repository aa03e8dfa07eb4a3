/** Owns the tests' direct line to Concord: the service key, and a person's signed token (docs/wire.md §1, §2). */
import { ACTOR_HEADER, type Actor, signActor } from "@concert/service-kit";
import type { TestStack } from "./stack.ts";

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Asking {
  readonly method?: string;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** Overrides or, when undefined, removes. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** Asks Concord as `actor`. Any status is an answer. */
export function concordOf({ urls, keys }: TestStack, actor: Actor) {
  return async (
    path: string,
    { method = "GET", body, headers = {} }: Asking = {},
  ): Promise<Answer> => {
    const all: Record<string, string | undefined> = {
      authorization: `Bearer ${keys.concordServiceKey}`,
      [ACTOR_HEADER]: await signActor(actor, "concord", keys.internalSecret),
      "content-type": "application/json",
      ...headers,
    };
    const sent = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
    const response = await fetch(`${urls.concord}${path}`, {
      method,
      headers: sent,
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Answer["body"] };
  };
}

/** The stable code of an error answer. */
export function codeOf({ body }: Answer): unknown {
  const error = body["error"];
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

/** A list answer's items. */
export function itemsOf({ body }: Answer): readonly Readonly<Record<string, unknown>>[] {
  return body["items"] as readonly Readonly<Record<string, unknown>>[];
}

/** Somebody of tenant `tenant` with every role and permission the journey asks for. */
export function person(tenant: string, user: string): Actor {
  return { tenant, user, roles: ["owner", "finance_approvers"], permissions: ["book_travel"] };
}
