/**
 * Owns the agent type `concierge`: books hotels by proposing Concord's tools to itself through a model.
 * Refuses to own: which tools exist (Concord sends them) and whether a proposal is allowed (Concord decides).
 */
import { isWorkspaceTool, WORKSPACE_TOOLS } from "../files/workspace-tools.ts";
import type { ProposedCall } from "../runs/fold-step.ts";
import type { WorkspaceRound } from "../runs/workspace-round.ts";
import type { EnsembleClient, InferenceRequest } from "../upstream/ensemble-client.ts";
import type { Agent, ThinkContext, Thought, ThoughtEvent } from "./agent.ts";
import { conversationOf } from "./conversation.ts";
import { Said } from "./said.ts";
import type { TenantPrompt } from "./tenant-prompt.ts";

/** How often one thought may look at what became of its calls for files, before it must say something. */
const ROUNDS_MAX = 16;

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

/** Asks the model until it has nothing more to do with its files: then its answer is the move. */
async function* think(
  settings: ConciergeSettings,
  context: ThinkContext,
): AsyncGenerator<ThoughtEvent, Thought, void> {
  const suffix = await settings.tenantPrompt(context.tenantId);
  const prompt = systemPrompt(context.askedAt, suffix);
  const rounds = [...context.workspace.rounds];
  const done = rounds.filter(({ stepIndex }) => stepIndex === context.step.step_index);
  const said = new Said();
  for (const round of done) {
    yield* said.again(round.text);
    said.pay(round.usage);
  }
  for (let left = ROUNDS_MAX - done.length; ; left -= 1) {
    const request = inferenceOf(settings.model, context, prompt, rounds, left > 0);
    const answer = yield* said.listen(settings.ensemble.stream(request, context));
    const own = answer.calls.filter((call) => isOwn(call, context));
    const calls = answer.calls.filter((call) => !own.includes(call));
    const { text, usage } = said;
    if (own.length === 0 || left <= 0) return { text, calls, usage };
    rounds.push(context.workspace.act({ text: answer.text, calls: own, usage: answer.usage }));
    if (calls.length > 0) return { text, calls, usage };
  }
}

/** A tool of Concord's keeps its name: a call by it is a proposal, unless the turn may not make it. */
const isOwn = ({ toolName }: ProposedCall, { step, mayUse }: ThinkContext): boolean =>
  !mayUse(toolName) ||
  (isWorkspaceTool(toolName) && !step.tools.some(({ name }) => name === toolName));

function inferenceOf(
  model: string,
  context: ThinkContext,
  prompt: string,
  rounds: readonly WorkspaceRound[],
  hasFiles: boolean,
): InferenceRequest {
  const { step, steers, config, mayUse } = context;
  const proposed = step.tools.map(({ name, description, input_schema }) => ({
    name,
    description,
    input_schema,
  }));
  const own = WORKSPACE_TOOLS.filter(({ name }) => !proposed.some((tool) => tool.name === name));
  const tools = [...proposed, ...(hasFiles ? own : [])].filter(({ name }) => mayUse(name));
  return {
    model: config.model ?? model,
    messages: conversationOf(step, prompt, steers, rounds),
    ...(tools.length === 0 ? {} : { tools }),
    ...(config.max_tokens === undefined ? {} : { max_tokens: config.max_tokens }),
    ...(config.temperature === undefined ? {} : { temperature: config.temperature }),
  };
}

function systemPrompt(askedAt: string, suffix: string | undefined): string {
  const lines = [
    "You are the concierge of this organisation. You find hotels and book them for the person you speak with.",
    `Today is ${askedAt.slice(0, 10)}. Dates are written YYYY-MM-DD; "tomorrow" and the like count from today.`,
    "You have a workspace of files of your own, which stays from turn to turn and which the people here can read: write down what shall last. Its tools need nobody's leave.",
    "Work in this order: search, then draft the booking the person wants, then confirm the draft.",
    "Every other tool call is a proposal. Rules may refuse it, and a person may have to approve it; waiting is handled for you.",
    "Say that something is booked only when the tool that confirms it has answered with a confirmation code, and give that code.",
    "When a call is refused, rejected or fails, say so plainly, with the reason, and offer what can be done instead. Do not repeat a refused call.",
    "Never ask for somebody else's name or address, and never make one up: say for_somebody_else, and the person is asked for them.",
    "Ask when the city, the dates or the number of guests are missing. Never invent a price, a hotel or a code.",
  ];
  return [...lines, ...(suffix === undefined ? [] : [suffix])].join("\n");
}
