/** Owns the agent type `echo`: repeats what it is told, word by word. No model, no tools. */
import type { Agent } from "./agent.ts";

export const echo: Agent = {
  type: "echo",
  title: "Echo",
  description: "Repeats what you write. No model and no tools: for trying the platform out.",
  async *think({ step, signal }) {
    for (const word of step.text.match(/\s*\S+\s*$|\s*\S+/g) ?? [step.text]) {
      signal.throwIfAborted();
      yield { kind: "text", text: word };
    }
    return { text: step.text, calls: [], usage: { input_tokens: 0, output_tokens: 0 } };
  },
};
