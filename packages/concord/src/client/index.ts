/**
 * Owns talking to Concord's HTTP API: typed calls, errors as one class, and an event feed that reconnects from
 * its own cursor. Runs wherever `fetch` does. Refuses to own: signing actor tokens (service-kit does).
 */
import type { AgentActionView } from "../api/agent-actions.ts";
import type { IncidentView } from "../api/incidents.ts";
import type {
  ApprovalView,
  ArtifactView,
  CommandView,
  EventView,
  TimelineEntryView,
  ToolView,
} from "../api/views.ts";
import type { InputRequestView } from "../api/waits.ts";
import type { ApprovalDecision, IncidentAction, RiskLevel } from "../core/vocabulary.ts";
import { ConcordError, unreachable } from "./errors.ts";
import { type FeedOptions, followFeed } from "./feed.ts";

export { ConcordError } from "./errors.ts";
export type { FeedOptions } from "./feed.ts";
export type {
  AgentActionView,
  ApprovalView,
  ArtifactView,
  CommandView,
  EventView,
  IncidentView,
  InputRequestView,
  TimelineEntryView,
  ToolView,
};

export interface ClientOptions {
  /** e.g. `http://127.0.0.1:4200`. */
  readonly url: string;
  /** The service key, or an operator key. */
  readonly key: string;
  /** Signs the person for each call made with the service key. */
  readonly actorToken?: () => Promise<string> | string;
  /** W3C trace context of the caller. */
  readonly traceparent?: string;
  readonly fetch?: typeof fetch;
  /** Per call; the event feed is not limited. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface SubmitInput {
  readonly task_name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly idempotency_key?: string;
  /** Commands that have to rest as they should before this one starts. */
  readonly depends_on?: readonly {
    readonly command_id: string;
    readonly required_status?: string;
    readonly propagate_cancellation?: boolean;
  }[];
  readonly context?: {
    readonly run_as?: string;
    readonly workspace_id?: string;
    readonly app_id?: string;
    readonly team_id?: string;
    readonly environment?: string;
    readonly metadata?: Readonly<Record<string, unknown>>;
    /** Only with the service key: what a clock asks for is told apart from a person's request. */
    readonly ingress?: "api_request" | "scheduled_trigger";
  };
}

export interface AgentActionInput {
  readonly tool_name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly risk_level?: RiskLevel;
  readonly agent_type?: string;
  readonly idempotency_key?: string;
}

export interface PageOf<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ConcordClient {
  /** The same Concord, asked on behalf of someone else or within a trace. */
  with(change: Pick<ClientOptions, "actorToken" | "traceparent">): ConcordClient;
  submit(input: SubmitInput): Promise<CommandView>;
  /** A tool, asked for by an agent that runs elsewhere. */
  proposeAction(action: AgentActionInput): Promise<AgentActionView>;
  get(commandId: string): Promise<CommandView>;
  list(query?: Query): Promise<PageOf<CommandView>>;
  cancel(commandId: string, reason?: string): Promise<CommandView>;
  timeline(
    commandId: string,
    options?: { readonly descendants?: boolean },
  ): Promise<{ readonly command: CommandView; readonly entries: readonly TimelineEntryView[] }>;
  approvals(query?: Query): Promise<PageOf<ApprovalView>>;
  approval(approvalId: string): Promise<ApprovalView>;
  resolve(approvalId: string, decision: ApprovalDecision, reason?: string): Promise<ApprovalView>;
  /** Lets somebody else decide in one's place. */
  delegate(approvalId: string, to: string): Promise<ApprovalView>;
  /** What people are asked. */
  inputs(query?: Query): Promise<PageOf<InputRequestView>>;
  /** Answers what a command waits for: the question `inputRequestId`, or whichever is open. */
  provideInput(
    commandId: string,
    input: Readonly<Record<string, unknown>>,
    inputRequestId?: string,
  ): Promise<CommandView>;
  /** Leaves the question unanswered for good: the command is cancelled. */
  dismissInput(commandId: string, inputRequestId: string): Promise<CommandView>;
  incidents(query?: Query): Promise<PageOf<IncidentView>>;
  settleIncident(incidentId: string, action: IncidentAction, note?: string): Promise<IncidentView>;
  artifact(artifactId: string): Promise<ArtifactView>;
  tools(agentType?: string): Promise<readonly ToolView[]>;
  /**
   * Events after the cursor (undefined: from now; `"0"`: all), each once, in order, across reconnects, until
   * `signal` fires. Throws `ConcordError` only when Concord refuses (a bad key, a bad cursor).
   */
  events(
    after: string | undefined,
    signal: AbortSignal,
    options?: FeedOptions,
  ): AsyncGenerator<EventView, void, void>;
}

const TIMEOUT_MS = 30_000;

export function createConcordClient(options: ClientOptions): ConcordClient {
  const call = <T>(method: string, path: string, body?: unknown): Promise<T> =>
    request<T>(options, method, path, body);
  const id = encodeURIComponent;
  return {
    with: (change) => createConcordClient({ ...options, ...change }),
    submit: (input) => call("POST", "/commands", input),
    proposeAction: (action) => call("POST", "/agent-actions", action),
    get: (commandId) => call("GET", `/commands/${id(commandId)}`),
    list: (query = {}) => call("GET", `/commands${search(query)}`),
    cancel: (commandId, reason) =>
      call("POST", `/commands/${id(commandId)}/cancel`, reason === undefined ? {} : { reason }),
    timeline: (commandId, { descendants } = {}) =>
      call("GET", `/commands/${id(commandId)}/timeline${search({ descendants })}`),
    approvals: (query = {}) => call("GET", `/approvals${search(query)}`),
    approval: (approvalId) => call("GET", `/approvals/${id(approvalId)}`),
    resolve: (approvalId, decision, reason) => {
      const body = reason === undefined ? { decision } : { decision, reason };
      return call("POST", `/approvals/${id(approvalId)}/resolve`, body);
    },
    delegate: (approvalId, to) => call("POST", `/approvals/${id(approvalId)}/delegate`, { to }),
    inputs: (query = {}) => call("GET", `/inputs${search(query)}`),
    provideInput: (commandId, input, inputRequestId) => {
      const which = inputRequestId === undefined ? {} : { input_request_id: inputRequestId };
      return call("POST", `/commands/${id(commandId)}/input`, { input, ...which });
    },
    dismissInput: (commandId, inputRequestId) => {
      const body = { dismissed: true, input_request_id: inputRequestId };
      return call("POST", `/commands/${id(commandId)}/input`, body);
    },
    incidents: (query = {}) => call("GET", `/incidents${search(query)}`),
    settleIncident: (incidentId, action, note) => {
      const body = note === undefined ? { action } : { action, note };
      return call("POST", `/incidents/${id(incidentId)}/settle`, body);
    },
    artifact: (artifactId) => call("GET", `/artifacts/${id(artifactId)}`),
    tools: async (agentType) => {
      const path = `/tools${search({ agent_type: agentType })}`;
      return (await call<{ items: readonly ToolView[] }>("GET", path)).items;
    },
    events: (after, signal, feed = {}) =>
      followFeed(
        async (cursor, abort) => {
          const query = { after: cursor, root_command_id: feed.rootCommandId };
          const types = feed.types === undefined ? {} : { types: feed.types.join(",") };
          return send(options, "GET", `/events${search({ ...query, ...types })}`, undefined, abort);
        },
        after,
        signal,
        feed,
      ),
  };
}

async function request<T>(
  options: ClientOptions,
  method: string,
  path: string,
  body: unknown,
): Promise<T> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const response = await send(options, method, path, body, signal);
  return (await response.json().catch(unreachable)) as T;
}

/** A successful response, or a thrown `ConcordError`. */
async function send(
  options: ClientOptions,
  method: string,
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${options.key}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (options.traceparent !== undefined) headers["traceparent"] = options.traceparent;
  if (options.actorToken !== undefined) headers["concert-actor"] = await options.actorToken();
  const url = `${options.url.replace(/\/+$/, "")}${path}`;
  const init = {
    method,
    headers,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const response = await (options.fetch ?? fetch)(url, init).catch(unreachable);
  if (!response.ok) throw await ConcordError.from(response);
  return response;
}

function search(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}
