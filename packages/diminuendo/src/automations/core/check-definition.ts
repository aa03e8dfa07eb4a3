/**
 * Owns whether a definition makes sense, and what the fields mean that somebody left out: every problem at once, each
 * saying where it is and what to do. Pure. What only the tenant's data can say (is there such a session?) is asked later.
 */
import type { AutomationDefinition, AutomationSchedule, Problem } from "../../protocol/index.ts";
import { AUTOMATION_LIMITS as LIMITS } from "../../protocol/index.ts";
import { taskOf, webhookOf } from "./check-outside.ts";
import { cronProblems } from "./due.ts";
import { FieldReader } from "./field-reader.ts";
import { BUILT_IN, namesIn, VARIABLE } from "./prompt.ts";

export type Checked =
  | { readonly ok: true; readonly definition: AutomationDefinition }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function checkDefinition(given: unknown, nowMs: number): Checked {
  const read = new FieldReader(given, "");
  const definition: AutomationDefinition = {
    name: read.text("name", { max: LIMITS.nameChars }),
    schedule: scheduleOf(read.object("schedule"), nowMs),
    prompt: read.text("prompt", { max: LIMITS.promptChars }),
    variables: variablesOf(read),
    execution: executionOf(read.object("execution")),
    ...toolsOf(read),
    delivery: deliveryOf(read.object("delivery", {})),
    retries: retriesOf(read.object("retries", {})),
    missed: missedOf(read.object("missed", {})),
    overlap: read.choice("overlap", ["skip", "queue"], "skip"),
    limits: limitsOf(read.object("limits", {})),
  };
  read.nothingElse();
  checkNames(read, definition);
  checkDelivery(read, definition);
  const { problems } = read;
  return problems.length === 0 ? { ok: true, definition } : { ok: false, problems };
}

function scheduleOf(read: FieldReader, nowMs: number): AutomationSchedule {
  const kind = read.choice("kind", ["cron", "heartbeat"]);
  if (kind === "heartbeat") {
    const { everyMinutes: max } = LIMITS;
    const everyMinutes = read.whole("everyMinutes", { min: 1, max });
    read.nothingElse();
    return { kind, everyMinutes };
  }
  const cron = read.text("cron", { max: LIMITS.cronChars });
  const timeZone = read.text("timeZone", { max: 60, absent: "UTC" });
  read.nothingElse();
  if (cron !== "") {
    for (const problem of cronProblems(cron, timeZone, nowMs)) read.complain("cron", problem);
  }
  return { kind: "cron", cron: cron.trim().replace(/\s+/g, " "), timeZone };
}

function variablesOf(read: FieldReader): Readonly<Record<string, string>> {
  const given = read.object("variables", {});
  const names = given.names();
  if (names.length > LIMITS.variables) {
    read.complain("variables", `has ${names.length} names; at most ${LIMITS.variables}`);
    return {};
  }
  for (const name of names) {
    if (!VARIABLE.test(name)) {
      given.complain(name, "is no name: small letters, digits and _, beginning with a letter");
    }
    if ((BUILT_IN as readonly string[]).includes(name)) {
      given.complain(name, "is what every run knows by itself; choose another name");
    }
  }
  return Object.fromEntries(
    names.map((name) => [name, given.text(name, { max: LIMITS.variableChars, absent: "" })]),
  );
}

function checkNames(read: FieldReader, { prompt, variables }: AutomationDefinition): void {
  const known = [...BUILT_IN, ...Object.keys(variables)];
  for (const name of namesIn(prompt)) {
    if (known.includes(name)) continue;
    read.complain("prompt", `uses {{${name.slice(0, 40)}}}; known: ${known.join(", ")}`);
  }
}

function checkDelivery(read: FieldReader, { execution, delivery }: AutomationDefinition): void {
  if (execution.mode !== "main" || delivery.sessionId !== execution.sessionId) return;
  if (delivery.sessionId === "") return;
  read.complain(
    "delivery.sessionId",
    "is where it runs: the result is there already; leave it out",
  );
}

function executionOf(read: FieldReader): AutomationDefinition["execution"] {
  const mode = read.choice("mode", ["main", "isolated"]);
  const execution =
    mode === "main"
      ? { mode, sessionId: read.text("sessionId", { max: 200 }) }
      : { mode, agentType: read.text("agentType", { max: 100 }) };
  read.nothingElse();
  return execution;
}

/** As models are offered them. */
const TOOL = /^[A-Za-z0-9_-]{1,64}$/;

function toolsOf(read: FieldReader): Pick<AutomationDefinition, "tools"> {
  if (read.isAbsent("tools")) return {};
  return { tools: read.texts("tools", { max: LIMITS.tools, pattern: TOOL, want: "tool's name" }) };
}

function deliveryOf(read: FieldReader): AutomationDefinition["delivery"] {
  const inbox = read.choice("inbox", ["always", "problems", "never"], "always");
  const sessionId = read.isAbsent("sessionId") ? null : read.text("sessionId", { max: 200 });
  const webhook = read.isAbsent("webhook") ? {} : { webhook: webhookOf(read.object("webhook")) };
  const task = read.isAbsent("task") ? {} : { task: taskOf(read.object("task")) };
  read.nothingElse();
  return { inbox, sessionId, ...webhook, ...task };
}

function retriesOf(read: FieldReader): AutomationDefinition["retries"] {
  const max = read.whole("max", { min: 0, max: LIMITS.retries, absent: 2 });
  const backoffSeconds = read.whole("backoffSeconds", {
    min: 1,
    max: LIMITS.backoffSeconds,
    absent: 60,
  });
  read.nothingElse();
  return { max, backoffSeconds };
}

const MISSED_MAX = 10;

function missedOf(read: FieldReader): AutomationDefinition["missed"] {
  const policy = read.choice("policy", ["skip", "run_once", "catch_up"], "run_once");
  const max = read.whole("max", { min: 1, max: LIMITS.catchUp, absent: MISSED_MAX });
  // What was read may be saved again: there the default stands.
  if (policy !== "catch_up" && max !== MISSED_MAX) {
    read.complain("max", "is for the policy catch_up only; leave it out");
  }
  read.nothingElse();
  return { policy, max };
}

function limitsOf(read: FieldReader): AutomationDefinition["limits"] {
  const { runMinutes, runsPerDay, failuresInARow } = LIMITS;
  const limits = {
    runMinutes: read.whole("runMinutes", { min: 1, max: runMinutes, absent: 60 }),
    runsPerDay: read.whole("runsPerDay", { min: 1, max: runsPerDay, absent: runsPerDay }),
    failuresInARow: read.whole("failuresInARow", { min: 0, max: failuresInARow, absent: 5 }),
  };
  read.nothingElse();
  return limits;
}
