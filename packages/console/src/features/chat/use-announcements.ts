/** Owns what is read aloud: whole sentences of the newest message, and what waits for a person. */
import type { SessionView } from "@concert/sdk";
import { useEffect, useRef, useState } from "react";
import { nextSentences } from "./chat.ts";

/** The newest thing to say. Nothing that was there when the session was opened is read out. */
export function useAnnouncements(view: SessionView, live: boolean): string {
  const [said, setSaid] = useState("");
  const spoken = useRef({ id: "", length: 0 });
  const last = view.items.at(-1);
  useEffect(() => {
    if (last === undefined) return;
    if (last.kind === "assistant") {
      const known = spoken.current.id === last.id ? spoken.current.length : 0;
      const next = nextSentences(last.text, known, last.state === "complete");
      spoken.current = { id: last.id, length: next.spoken };
      if (live && next.say !== "") setSaid(`Agent: ${next.say}`);
    } else if (spoken.current.id !== last.id) {
      spoken.current = { id: last.id, length: 0 };
      if (live && last.kind === "approval") setSaid("The agent needs your approval.");
    }
  }, [last, live]);
  return said;
}
