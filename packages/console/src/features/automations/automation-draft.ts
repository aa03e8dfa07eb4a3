/**
 * Owns what stands in the form of an automation: how a definition becomes texts that can be edited, and what was typed a
 * definition. Pure. What is not in the form's words stays as it was; whether it makes sense, the gateway says.
 */
import type { AutomationDefinition, AutomationInput, Blueprint } from "@concert/sdk";

export type Rhythm = "daily" | "weekdays" | "weekly" | "interval" | "cron";
type Ends = "always" | "problems";

/** Every field as it is typed; an empty number is left to the gateway's default. */
export interface Draft {
  readonly name: string;
  readonly prompt: string;
  readonly variables: readonly { readonly name: string; readonly value: string }[];
  readonly rhythm: Rhythm;
  /** "09:00", of the first three. */
  readonly time: string;
  /** 0 is Sunday, of `weekly`. */
  readonly weekday: string;
  readonly everyMinutes: string;
  readonly cron: string;
  readonly timeZone: string;
  /** Of runs in sessions of their own. */
  readonly agentType: string;
  /** Empty: each run in a session of its own. */
  readonly sessionId: string;
  readonly toolsAre: "all" | "some";
  /** Names, with commas or spaces between. */
  readonly tools: string;
  readonly inbox: Ends | "never";
  /** Empty: no session is told. */
  readonly toldSessionId: string;
  /** Empty: no address is told. */
  readonly webhookUrl: string;
  readonly webhookSecretRef: string;
  readonly webhookWhen: Ends;
  /** Empty: no task is asked for. */
  readonly taskName: string;
  /** JSON. */
  readonly taskPayload: string;
  readonly taskWhen: Ends;
  readonly retriesMax: string;
  readonly backoffSeconds: string;
  readonly missedPolicy: AutomationDefinition["missed"]["policy"];
  readonly missedMax: string;
  readonly overlap: AutomationDefinition["overlap"];
  readonly runMinutes: string;
  readonly runsPerDay: string;
  readonly failuresInARow: string;
}

export function emptyDraft(timeZone: string): Draft {
  return {
    name: "",
    prompt: "",
    variables: [],
    rhythm: "daily",
    time: "09:00",
    weekday: "1",
    everyMinutes: "60",
    cron: "0 9 * * *",
    timeZone,
    agentType: "concierge",
    sessionId: "",
    toolsAre: "all",
    tools: "",
    inbox: "always",
    toldSessionId: "",
    webhookUrl: "",
    webhookSecretRef: "",
    webhookWhen: "always",
    taskName: "",
    taskPayload: "{}",
    taskWhen: "always",
    retriesMax: "2",
    backoffSeconds: "60",
    missedPolicy: "run_once",
    missedMax: "10",
    overlap: "skip",
    runMinutes: "60",
    runsPerDay: "1440",
    failuresInARow: "5",
  };
}

/** The draft with what `definition` says; a blueprint's says only some of it. */
export function draftWith(draft: Draft, definition: Partial<AutomationDefinition>): Draft {
  const { name, prompt, variables, schedule, execution, tools, delivery } = definition;
  const { retries, missed, overlap, limits } = definition;
  return {
    ...draft,
    ...known({ name, prompt, overlap, missedPolicy: missed?.policy, inbox: delivery?.inbox }),
    ...(variables === undefined
      ? {}
      : { variables: Object.entries(variables).map(([key, value]) => ({ name: key, value })) }),
    ...(schedule === undefined ? {} : scheduleDraft(schedule)),
    ...(execution === undefined ? {} : executionDraft(execution)),
    ...(tools === undefined ? {} : { toolsAre: "some" as const, tools: tools.join(", ") }),
    ...(delivery === undefined ? {} : deliveryDraft(delivery)),
    ...texts({
      retriesMax: retries?.max,
      backoffSeconds: retries?.backoffSeconds,
      missedMax: missed?.max,
      runMinutes: limits?.runMinutes,
      runsPerDay: limits?.runsPerDay,
      failuresInARow: limits?.failuresInARow,
    }),
  };
}

/** A blueprint's template as far as it is one; the gateway has checked it, and checks the whole again. */
export const templateOf = ({ template }: Blueprint): Partial<AutomationDefinition> =>
  template as Partial<AutomationDefinition>;

export type ReadDraft =
  | { readonly definition: AutomationInput }
  | { readonly problems: Readonly<Record<string, string>> };

/** What the gateway is asked to keep. Only what is no JSON is refused here: it could not be sent. */
export function readDraft(draft: Draft): ReadDraft {
  const payload = payloadOf(draft.taskPayload);
  if (draft.taskName.trim() !== "" && payload === undefined) {
    const problem = 'needs a JSON object, such as {"recipient": "anna"}';
    return { problems: { "delivery.task.payload": problem } };
  }
  return { definition: definitionOf(draft, payload ?? {}) };
}

function definitionOf(draft: Draft, payload: Readonly<Record<string, unknown>>): AutomationInput {
  const { name, prompt, sessionId, agentType, toolsAre, tools, overlap, missedPolicy } = draft;
  const catchUp = missedPolicy === "catch_up" ? numbers({ max: draft.missedMax }) : {};
  return {
    name: name.trim(),
    prompt: prompt.trim(),
    variables: Object.fromEntries(draft.variables.map(({ name: key, value }) => [key, value])),
    schedule: scheduleOf(draft),
    execution: sessionId === "" ? { mode: "isolated", agentType } : { mode: "main", sessionId },
    ...(toolsAre === "all" ? {} : { tools: tools.split(/[\s,]+/).filter((one) => one !== "") }),
    delivery: deliveryOf(draft, payload),
    retries: numbers({ max: draft.retriesMax, backoffSeconds: draft.backoffSeconds }),
    missed: { policy: missedPolicy, ...catchUp },
    overlap,
    limits: numbers({
      runMinutes: draft.runMinutes,
      runsPerDay: draft.runsPerDay,
      failuresInARow: draft.failuresInARow,
    }),
  };
}

function deliveryOf(
  draft: Draft,
  payload: Readonly<Record<string, unknown>>,
): NonNullable<AutomationInput["delivery"]> {
  const { inbox, toldSessionId, webhookUrl, taskName } = draft;
  const webhook = {
    url: webhookUrl.trim(),
    secretRef: draft.webhookSecretRef.trim(),
    when: draft.webhookWhen,
  };
  const task = { name: taskName.trim(), payload, when: draft.taskWhen };
  return {
    inbox,
    ...(toldSessionId === "" ? {} : { sessionId: toldSessionId }),
    ...(webhook.url === "" ? {} : { webhook }),
    ...(task.name === "" ? {} : { task }),
  };
}

function scheduleOf(draft: Draft): AutomationInput["schedule"] {
  const { rhythm, time, weekday, everyMinutes, cron, timeZone } = draft;
  if (rhythm === "interval") return { kind: "heartbeat", everyMinutes: Number(everyMinutes) };
  if (rhythm === "cron") return { kind: "cron", cron: cron.trim(), timeZone };
  const [hour = "", minute = ""] = time.split(":");
  const days = rhythm === "daily" ? "*" : rhythm === "weekdays" ? "1-5" : weekday;
  // An empty or half-typed time is the gateway's to refuse, with its words.
  const at = `${Number.parseInt(minute, 10)} ${Number.parseInt(hour, 10)}`.replaceAll("NaN", "?");
  return { kind: "cron", cron: `${at} * * ${days}`, timeZone };
}

function scheduleDraft(schedule: AutomationDefinition["schedule"]): Partial<Draft> {
  if (schedule.kind === "heartbeat") {
    return { rhythm: "interval", everyMinutes: String(schedule.everyMinutes) };
  }
  const { cron, timeZone } = schedule;
  const zone = timeZone === undefined ? {} : { timeZone };
  const [, minute, hour, days] = /^(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|[0-6])$/.exec(cron) ?? [];
  if (minute === undefined || hour === undefined || days === undefined) {
    return { ...zone, rhythm: "cron", cron };
  }
  const at = { ...zone, cron, time: `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}` };
  if (days === "*") return { ...at, rhythm: "daily" };
  return days === "1-5"
    ? { ...at, rhythm: "weekdays" }
    : { ...at, rhythm: "weekly", weekday: days };
}

function executionDraft(execution: AutomationDefinition["execution"]): Partial<Draft> {
  return execution.mode === "main"
    ? { sessionId: execution.sessionId }
    : { sessionId: "", agentType: execution.agentType };
}

function deliveryDraft(delivery: AutomationDefinition["delivery"]): Partial<Draft> {
  const { sessionId, webhook, task } = delivery;
  return {
    toldSessionId: sessionId ?? "",
    ...(webhook === undefined
      ? {}
      : {
          webhookUrl: webhook.url,
          webhookSecretRef: webhook.secretRef,
          webhookWhen: webhook.when ?? "always",
        }),
    ...(task === undefined
      ? {}
      : {
          taskName: task.name,
          taskPayload: JSON.stringify(task.payload ?? {}, null, 2),
          taskWhen: task.when ?? "always",
        }),
  };
}

/** The JSON object that was typed; undefined for anything else. */
function payloadOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined; // Half typed; the field says so.
  }
}

/** Numbers as they were typed, for the gateway to refuse if they are none; what is empty is left out. */
function numbers<K extends string>(typed: Readonly<Record<K, string>>): { [key in K]?: number } {
  const entries = Object.entries<string>(typed).filter(([, text]) => text.trim() !== "");
  return Object.fromEntries(entries.map(([key, text]) => [key, Number(text)])) as {
    [key in K]?: number;
  };
}

function texts(values: Readonly<Record<string, number | undefined>>): Partial<Draft> {
  return Object.fromEntries(Object.entries(known(values)).map(([key, one]) => [key, String(one)]));
}

/** Without what is undefined. */
function known<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
