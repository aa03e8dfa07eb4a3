/** Owns what one thought has said and cost so far, over as many answers of the model as it takes. */
import type { ProposedCall } from "../runs/fold-step.ts";
import type { Usage } from "../runs/podium-events.ts";
import type { Block, InferenceEnd } from "../upstream/ensemble-client.ts";
import type { Thought, ThoughtEvent } from "./agent.ts";

const BETWEEN_ANSWERS = "\n\n";

export class Said {
  #text = "";
  #usage: Usage = { input_tokens: 0, output_tokens: 0 };

  /** Everything streamed so far, as the message's whole text will be. */
  get text(): string {
    return this.#text;
  }

  get usage(): Usage {
    return this.#usage;
  }

  pay({ input_tokens, output_tokens }: Usage): void {
    this.#usage = {
      input_tokens: this.#usage.input_tokens + input_tokens,
      output_tokens: this.#usage.output_tokens + output_tokens,
    };
  }

  /** Says what an earlier attempt has said and recorded. */
  *again(text: string): Generator<ThoughtEvent, void, void> {
    if (text !== "") yield this.#say(this.#gap() + text);
  }

  /** Streams one answer of the model; returns it alone. */
  async *listen(
    stream: AsyncGenerator<Block, InferenceEnd, void>,
  ): AsyncGenerator<ThoughtEvent, Thought, void> {
    const calls: ProposedCall[] = [];
    let text = "";
    while (true) {
      const next = await stream.next();
      if (next.done) {
        const { input_tokens, output_tokens } = next.value;
        this.pay(next.value);
        return { text, calls, usage: { input_tokens, output_tokens } };
      }
      const block = next.value;
      if (block.type === "tool_call") {
        calls.push({ toolName: block.name, arguments: block.arguments });
      } else if (block.type === "thinking") {
        yield { kind: "thinking", text: block.text };
      } else if (block.text !== "") {
        const gap = text === "" ? this.#gap() : "";
        text += block.text;
        yield this.#say(gap + block.text);
      }
    }
  }

  #gap(): string {
    return this.#text === "" ? "" : BETWEEN_ANSWERS;
  }

  #say(text: string): ThoughtEvent {
    this.#text += text;
    return { kind: "text", text };
  }
}
