/** Owns what the offline model says about itself and about everything it cannot do. It invents nothing. Pure. */
import type { Tool } from "../../inference/types.ts";
import { ASK_TOOL } from "./asking.ts";
import type { Talk } from "./language/intent.ts";
import { safe } from "./sentences.ts";

const WHO = "I am Concert's offline model: rules instead of a neural network, no internet.";

/** An answer to talk that asks for no hotel. */
export function answerTalk(talk: Talk, tools: readonly Tool[]): string {
  const can = abilities(tools);
  const sentences: Readonly<Record<Talk, string>> = {
    greeting: `Hello! ${WHO} ${can}`,
    thanks: "You're welcome!",
    praise: "Glad to hear it.",
    about: `${WHO} ${can}`,
    feelings: `Always the same, thank you. ${WHO} ${can}`,
    cancel_booking:
      "I cannot cancel a booking: I have no tool for it. Whoever runs this Concert can cancel the command that made it.",
    other_booking: `I can't help with that. ${can}`,
    drop: "All right, I have dropped it. Nothing was booked by that.",
    yes: `I'm not sure what you agree to. ${can}`,
    no: "All right, I'll leave it at that.",
    unknown: `I don't know anything about that. ${WHO} ${can}`,
  };
  return sentences[talk];
}

/** Not worth a word among what it can do for somebody, as long as there is more. */
const OWN_FILES: ReadonlySet<string> = new Set([
  "list_files",
  "read_file",
  "write_file",
  "delete_file",
]);

function abilities(tools: readonly Tool[]): string {
  const asks = tools.some(({ name }) => name === ASK_TOOL);
  const invitation = asks ? ' Say "Ask me: red or blue?" to see how I ask you something.' : "";
  return `${abilitiesWith(tools)}${invitation}`;
}

function abilitiesWith(tools: readonly Tool[]): string {
  const names = tools
    .map((tool) => tool.name)
    .filter((name) => !OWN_FILES.has(name) && name !== ASK_TOOL);
  if (names.includes("hotel_search") && names.includes("hotel_confirm")) {
    return 'I can find and book hotels: tell me a city, your dates and how many guests, for example "Book a hotel in Lisbon from 3 to 5 March for 2".';
  }
  if (names.includes("hotel_search"))
    return "I can look for hotels: tell me a city, your dates and how many guests.";
  if (names.length === 0 && tools.length > 0)
    return 'I can keep files here: say "write notes.md: " and what it shall say, "read notes.md" or "list your files".';
  if (names.length === 0)
    return "I have no tools in this conversation, so I can do nothing but say so.";
  return `The tools here (${names.slice(0, 10).map(safe).join(", ")}) are not ones I know how to use.`;
}
