/**
 * Owns the agent type `concierge`: books hotels by proposing Concord's tools to itself through a model.
 * Refuses to own: which tools exist (Concord sends them) and whether a proposal is allowed (Concord decides).
 */
import type { ProposedCall } from "../runs/fold-step.ts";
import type { EnsembleClient, InferenceRequest } from "../upstream/ensemble-client.ts";
import type { Agent, ThinkContext, Thought, ThoughtEvent } from "./agent.ts";
import { conversationOf } from "./conversation.ts";
import type { TenantPrompt } from "./tenant-prompt.ts";

export interface ConciergeSettings {
  readonly ensemble: EnsembleClient;
  /** The model, unless the instance's config names another. */
  readonly model: string;
  readonly tenantPrompt: TenantPrompt;
}

export function createConcierge(settings: ConciergeSettings): Agent {
  return {
    type: "concierge",
    title: "Concierge",
    description: "Finds and books hotels. Asks before it spends more than policy allows.",
    think: (context) => think(settings, context),
  };
}

async function* think(
  settings: ConciergeSettings,
  context: ThinkContext,
): AsyncGenerator<ThoughtEvent, Thought, void> {
  const suffix = await settings.tenantPrompt(context.tenantId);
  const prompt = systemPrompt(context.askedAt, suffix);
  const request = inferenceOf(settings.model, context, prompt);
  const stream = settings.ensemble.stream(request, context);
  const calls: ProposedCall[] = [];
  let text = "";
  while (true) {
    const next = await stream.next();
    if (next.done) {
      const { input_tokens, output_tokens } = next.value;
      return { text, calls, usage: { input_tokens, output_tokens } };
    }
    const block = next.value;
    if (block.type === "tool_call") {
      calls.push({ toolName: block.name, arguments: block.arguments });
      continue;
    }
    if (block.type === "text") text += block.text;
    yield { kind: block.type, text: block.text };
  }
}

function inferenceOf(model: string, context: ThinkContext, prompt: string): InferenceRequest {
  const { step, steers, config } = context;
  const tools = step.tools.map(({ name, description, input_schema }) => ({
    name,
    description,
    input_schema,
  }));
  return {
    model: config.model ?? model,
    messages: conversationOf(step, prompt, steers),
    ...(tools.length === 0 ? {} : { tools }),
    ...(config.max_tokens === undefined ? {} : { max_tokens: config.max_tokens }),
    ...(config.temperature === undefined ? {} : { temperature: config.temperature }),
  };
}

function systemPrompt(askedAt: string, suffix: string | undefined): string {
  const lines = [
    "You are the concierge of this organisation. You find hotels and book them for the person you speak with.",
    `Today is ${askedAt.slice(0, 10)}. Dates are written YYYY-MM-DD; "tomorrow" and the like count from today.`,
    "Work in this order: search, then draft the booking the person wants, then confirm the draft.",
    "Every tool call is a proposal. Rules may refuse it, and a person may have to approve it; waiting is handled for you.",
    "Say that something is booked only when the tool that confirms it has answered with a confirmation code, and give that code.",
    "When a call is refused, rejected or fails, say so plainly, with the reason, and offer what can be done instead. Do not repeat a refused call.",
    "Never ask for somebody else's name or address, and never make one up: say for_somebody_else, and the person is asked for them.",
    "Ask when the city, the dates or the number of guests are missing. Never invent a price, a hotel or a code.",
  ];
  return [...lines, ...(suffix === undefined ? [] : [suffix])].join("\n");
}
