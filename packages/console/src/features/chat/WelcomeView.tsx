/** An empty page that teaches: what can be asked here, one click away. */
import { UnstyledButton } from "@mantine/core";
import { IconArrowUpRight } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Logo } from "../../ui/Logo.tsx";
import classes from "./chat.module.css";

interface Props {
  readonly onSuggest: (text: string) => void;
  readonly children?: ReactNode;
}

const SUGGESTIONS = [
  {
    title: "Book a hotel",
    text: "Book the Grand Hotel Miramar in Lisbon from 3 to 5 March for 2 guests",
  },
  { title: "Look around first", text: "Which hotels in Lisbon are free from 3 to 5 March?" },
  {
    title: "Stay under the limit",
    text: "Find a room in Porto from 10 to 11 April for 1 guest and book the cheapest",
  },
  {
    title: "Be asked something",
    text: "Ask me which flowers I like, and write the answer to trip/notes.md",
  },
] as const;

export function WelcomeView({ onSuggest, children }: Props) {
  return (
    <section className={classes["welcome"]} aria-label="Start">
      <Logo size={40} />
      <h1>What should be done?</h1>
      <p className={classes["welcomeLead"]}>
        The agent plans and acts. What your policies do not allow by themselves waits for you, and
        every step is on record.
      </p>
      {children}
      <ul className={classes["suggestions"]}>
        {SUGGESTIONS.map(({ title, text }) => (
          <li key={title}>
            <UnstyledButton
              className={classes["suggestion"]}
              data-testid="suggestion"
              onClick={() => onSuggest(text)}
            >
              <strong>{title}</strong>
              <span>{text}</span>
              <IconArrowUpRight size={16} aria-hidden="true" />
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </section>
  );
}
