/** Owns what is typed and not yet sent: kept per session for the tab, through reloads and lost connections. */
import { useCallback, useState } from "react";

export function useDraft(name: string) {
  const key = `concert.draft.${name}`;
  const [draft, setText] = useState(() => sessionStorage.getItem(key) ?? "");
  const setDraft = useCallback(
    (text: string) => {
      setText(text);
      if (text === "") sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, text);
    },
    [key],
  );
  return [draft, setDraft] as const;
}
