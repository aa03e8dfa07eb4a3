/** Owns where in the console the reader is: `/` starts something new, `/s/<sessionId>` is a session, `/inbox` a place. */
import { useCallback, useSyncExternalStore } from "react";

/** The pages beside the sessions, in the order in which they are offered. */
export const PLACES = [
  "inbox",
  "questions",
  "automations",
  "incidents",
  "credits",
  "members",
] as const;
export type Place = (typeof PLACES)[number];

export type Route =
  | { readonly page: "new" }
  | { readonly page: Place }
  | { readonly page: "session"; readonly sessionId: string };

const CHANGED = "concert:route";

export function useRoute() {
  const path = useSyncExternalStore(subscribe, () => window.location.pathname);
  const go = useCallback((route: Route) => {
    window.history.pushState(null, "", pathOf(route));
    window.dispatchEvent(new Event(CHANGED));
  }, []);
  return { route: readRoute(path), go };
}

/** Anything that is no session and no place is the start page. */
export function readRoute(path: string): Route {
  const place = PLACES.find((one) => path === `/${one}` || path === `/${one}/`);
  if (place !== undefined) return { page: place };
  const encoded = /^\/s\/([^/]+)\/?$/.exec(path)?.[1];
  if (encoded === undefined) return { page: "new" };
  try {
    return { page: "session", sessionId: decodeURIComponent(encoded) };
  } catch {
    return { page: "new" }; // Half an escape is no id of ours.
  }
}

export function pathOf(route: Route): string {
  if (route.page === "session") return `/s/${encodeURIComponent(route.sessionId)}`;
  return route.page === "new" ? "/" : `/${route.page}`;
}

function subscribe(onChange: () => void): () => void {
  window.addEventListener("popstate", onChange);
  window.addEventListener(CHANGED, onChange);
  return () => {
    window.removeEventListener("popstate", onChange);
    window.removeEventListener(CHANGED, onChange);
  };
}
