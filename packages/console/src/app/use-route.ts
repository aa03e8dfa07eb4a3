/** Owns where in the console the reader is: `/` starts something new, `/s/<sessionId>` is a session. */
import { useCallback, useSyncExternalStore } from "react";

export type Route =
  | { readonly page: "new" }
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

/** Anything that is no session is the start page. */
export function readRoute(path: string): Route {
  const encoded = /^\/s\/([^/]+)\/?$/.exec(path)?.[1];
  if (encoded === undefined) return { page: "new" };
  try {
    return { page: "session", sessionId: decodeURIComponent(encoded) };
  } catch {
    return { page: "new" };
  }
}

export function pathOf(route: Route): string {
  return route.page === "new" ? "/" : `/s/${encodeURIComponent(route.sessionId)}`;
}

function subscribe(onChange: () => void): () => void {
  window.addEventListener("popstate", onChange);
  window.addEventListener(CHANGED, onChange);
  return () => {
    window.removeEventListener("popstate", onChange);
    window.removeEventListener(CHANGED, onChange);
  };
}
