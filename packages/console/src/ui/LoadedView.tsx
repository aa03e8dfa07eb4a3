/** What was read, or that it is being read, or why it cannot be: the same on every page. */
import type { ReactNode } from "react";
import { Failure } from "./Failure.tsx";
import { Loading } from "./Loading.tsx";

/** As much of `lib/use-loaded.ts` as is drawn. */
export type Shown<T> = { readonly reload: () => void } & (
  | { readonly status: "loading" }
  | { readonly status: "failed"; readonly reason: string }
  | { readonly status: "ready"; readonly value: T; readonly stale: string | null }
);

interface Props<T> {
  readonly what: string;
  readonly loaded: Shown<T>;
  readonly children: (value: T) => ReactNode;
}

export function LoadedView<T>({ what, loaded, children }: Props<T>) {
  if (loaded.status === "loading") return <Loading what={what} />;
  if (loaded.status === "failed") {
    return <Failure title={`No ${what}`} reason={loaded.reason} onRetry={loaded.reload} />;
  }
  return (
    <>
      {loaded.stale === null ? null : (
        <Failure title="This may be out of date" reason={loaded.stale} onRetry={loaded.reload} />
      )}
      {children(loaded.value)}
    </>
  );
}
