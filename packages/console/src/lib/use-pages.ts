/**
 * Owns a list that is read page by page, on from a cursor: the first page at once, another when the reader wants more.
 * When something has moved, all that is shown is read again, so that a page never stands beside an older one.
 */
import { useCallback, useRef } from "react";
import { useAction } from "./use-action.ts";
import { type Loaded, useLoaded } from "./use-loaded.ts";

export interface Page {
  /** Where the next page is read from; null on the last one. */
  readonly next: string | null;
}

export type Pages<P extends Page> = Loaded<readonly P[]> & {
  /** Null when there is no more, or nothing yet. */
  readonly more: (() => void) | null;
  readonly readingMore: boolean;
  /** Why the next page did not come. */
  readonly moreFailure: string | null;
};

/** `key` names the list: with another one, reading begins at its first page. */
export function usePages<P extends Page>(
  key: string,
  readPage: (cursor: string | null, signal: AbortSignal | null) => Promise<P>,
  version = 0,
): Pages<P> {
  const shown = useRef({ key, count: 1 });
  if (shown.current.key !== key) shown.current = { key, count: 1 };
  const reading = useRef(readPage);
  reading.current = readPage;
  const readShown = (signal: AbortSignal) =>
    readPages(shown.current.count, (cursor) => readPage(cursor, signal));
  const loaded = useLoaded(key, readShown, version);
  const { pending, failure, run } = useAction();
  const cursor = loaded.status === "ready" ? (loaded.value.at(-1)?.next ?? null) : null;
  const { put } = loaded;
  const readMore = useCallback(() => {
    if (cursor === null) return;
    void run("more", async () => {
      const page = await reading.current(cursor, null);
      put((pages) => {
        // Read anew meanwhile: what follows there is another page.
        if (pages.at(-1)?.next !== cursor) return pages;
        shown.current = { ...shown.current, count: pages.length + 1 };
        return [...pages, page];
      });
    });
  }, [cursor, put, run]);
  return {
    ...loaded,
    more: cursor === null ? null : readMore,
    readingMore: pending !== null,
    moreFailure: failure?.reason ?? null,
  };
}

/** The first `count` pages, or as many as there are. */
export async function readPages<P extends Page>(
  count: number,
  readPage: (cursor: string | null) => Promise<P>,
): Promise<readonly P[]> {
  const pages: P[] = [];
  let cursor: string | null = null;
  do {
    const page: P = await readPage(cursor);
    pages.push(page);
    cursor = page.next;
  } while (cursor !== null && pages.length < count);
  return pages;
}
