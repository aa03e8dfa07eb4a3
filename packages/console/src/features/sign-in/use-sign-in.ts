/** Owns who is signed in: finds the gateway, learns whether it wants a token, keeps the answer for the tab. */
import { GatewayError, type Identity } from "@concert/sdk";
import { useCallback, useEffect, useState } from "react";
import { loadConfig } from "../../lib/console-config.ts";
import { explainError } from "../../lib/explain-error.ts";
import { Gateway } from "../../lib/Gateway.ts";

export type SignIn =
  | { readonly status: "looking" }
  | { readonly status: "unreachable"; readonly reason: string }
  | { readonly status: "needs_token"; readonly refusal: string | null }
  /** Development: the gateway signs people in by itself. */
  | { readonly status: "offered"; readonly identity: Identity; readonly gateway: Gateway }
  | { readonly status: "signed_in"; readonly gateway: Gateway };

const TOKEN_KEY = "concert.token";
const DEVELOPER_KEY = "concert.developer";
const LOOK_AGAIN_MS = 3_000;

export function useSignIn() {
  const [signIn, setSignIn] = useState<SignIn>({ status: "looking" });
  const [attempt, setAttempt] = useState({ token: sessionStorage.getItem(TOKEN_KEY), count: 0 });

  useEffect(() => {
    let current = true;
    let gateway: Gateway | undefined;
    find(attempt.token, (made) => {
      gateway = made;
    }).then((found) => current && setSignIn(found));
    return () => {
      current = false;
      gateway?.disconnect();
    };
  }, [attempt]);

  const lookAgain = useCallback(
    () => setAttempt(({ token, count }) => ({ token, count: count + 1 })),
    [],
  );
  useEffect(() => {
    if (signIn.status !== "unreachable") return;
    const timer = setTimeout(lookAgain, LOOK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [signIn, lookAgain]);
  useRefusal(signIn, setSignIn);

  const useToken = useCallback((token: string) => {
    sessionStorage.setItem(TOKEN_KEY, token);
    setSignIn({ status: "looking" });
    setAttempt(({ count }) => ({ token, count: count + 1 }));
  }, []);
  const continueAsDeveloper = useCallback(() => {
    sessionStorage.setItem(DEVELOPER_KEY, "yes");
    setSignIn((now) =>
      now.status === "offered" ? { status: "signed_in", gateway: now.gateway } : now,
    );
  }, []);
  const signOut = useCallback(() => {
    sessionStorage.removeItem(TOKEN_KEY);
    sessionStorage.removeItem(DEVELOPER_KEY);
    setSignIn({ status: "looking" });
    setAttempt(({ count }) => ({ token: null, count: count + 1 }));
  }, []);
  return { signIn, lookAgain, useToken, continueAsDeveloper, signOut };
}

/** A sign-in that ends while the console is open leads back to the start, with the reason. */
function useRefusal(signIn: SignIn, setSignIn: (next: SignIn) => void): void {
  useEffect(() => {
    if (signIn.status !== "signed_in") return;
    return signIn.gateway.store.subscribe(({ connection }) => {
      if (connection.state !== "closed") return;
      sessionStorage.removeItem(TOKEN_KEY);
      setSignIn({ status: "needs_token", refusal: connection.reason });
    });
  }, [signIn, setSignIn]);
}

async function find(token: string | null, made: (gateway: Gateway) => void): Promise<SignIn> {
  try {
    const gateway = new Gateway(await loadConfig(), token ?? undefined);
    made(gateway);
    const identity = await gateway.connect();
    const known = token !== null || sessionStorage.getItem(DEVELOPER_KEY) === "yes";
    return known ? { status: "signed_in", gateway } : { status: "offered", identity, gateway };
  } catch (error) {
    return refused(error, token);
  }
}

function refused(error: unknown, token: string | null): SignIn {
  const code = error instanceof GatewayError ? error.code : null;
  if (code === "TokenRequired") return { status: "needs_token", refusal: null };
  if (code === "AUTH_FAILED" || code === "Unauthenticated") {
    sessionStorage.removeItem(TOKEN_KEY);
    const refusal = token === null ? null : "That token was not accepted. It may have expired.";
    return { status: "needs_token", refusal };
  }
  if (code === "Timeout") {
    return { status: "unreachable", reason: "The gateway does not answer. Is it running?" };
  }
  return { status: "unreachable", reason: explainError(error) };
}
