/**
 * Owns the commands over a running gateway's automations and one's inbox, as data (docs/automations.md). Refuses to
 * own: what a definition may say, which the gateway checks.
 */
import { readFileSync } from "node:fs";
import type { Api, Question } from "./api.ts";
import {
  type Family,
  ID,
  type Operation,
  type Outcome,
  one,
  PAGING,
  page,
  parsed,
  path,
} from "./operation.ts";
import { fields, type Row } from "./render.ts";

const AUTOMATIONS = "/api/automations";
const FILE = { name: "file", help: "the definition as JSON; - reads standard input" };

/** Epoch milliseconds as people read them. */
const TIMES = [
  "nextAttemptAt",
  "nextDueAt",
  "createdAt",
  "updatedAt",
  "dueAt",
  "startedAt",
  "endedAt",
  "at",
];

function readable(row: Row): Row {
  const shown = TIMES.flatMap((name) => {
    const at = row[name];
    return typeof at === "number" ? [[name, new Date(at).toISOString()] as const] : [];
  });
  return { ...row, ...Object.fromEntries(shown) };
}

export const shownOne = (answer: unknown): Outcome => ({
  value: answer,
  text: fields(readable(answer as Row)),
});

const shownPage = (answer: unknown, names: readonly string[], nothing: string): Outcome =>
  page(answer, names, nothing, (row) => readable(flat(row)));

/** What is nested and worth a column of its own. */
function flat(row: Row): Row {
  const { definition, error } = row as { definition?: Row; error?: Row | string | null };
  return {
    ...row,
    ...(definition === undefined
      ? {}
      : { name: definition["name"], schedule: scheduleOf(definition) }),
    ...(error === undefined || error === null ? {} : { error: codeOf(error) }),
  };
}

const codeOf = (error: Row | string): unknown =>
  typeof error === "string" ? error : error["code"];

function scheduleOf({ schedule }: Row): string {
  const { cron, timeZone, everyMinutes } = schedule as Row;
  return cron === undefined ? `every ${everyMinutes} minutes` : `${cron} (${timeZone})`;
}

export const definitionIn = (file: string): unknown =>
  parsed(readFileSync(file === "-" ? 0 : file, "utf8"));

/** What a list says that has nothing to show, by where it is asked for. */
const NOTHING = {
  "/api/automations": "There are no automations. `concert automation create <file>` makes one.",
  "/api/automations/runs":
    "Nothing has run. `concert automation run <id>` does not wait for the clock.",
  "/api/automations/log": "Nobody has changed anything.",
  "/api/automations/deliveries": "Nothing is told outside.",
  "/api/blueprints": "There are no blueprints. `concert blueprint create <file>` makes one.",
  "/api/inbox": "The inbox is empty. What automations bring is told here.",
} as const;

export function listing(
  name: string,
  summary: string,
  at: keyof typeof NOTHING,
  names: readonly string[],
  flags: Operation["flags"] = [],
): Operation {
  return {
    name,
    summary,
    flags: [...flags, ...PAGING],
    run: async (api, { flags: { automation, ...query } }) => {
      const isRuns = name === "runs" && automation !== undefined;
      const where = isRuns ? path`/api/automations/${String(automation)}/runs` : at;
      const filter = isRuns || automation === undefined ? {} : { automationId: automation };
      const answer = await api.ask({ path: where, query: { ...query, ...filter } });
      return shownPage(answer, names, NOTHING[at]);
    },
  };
}

const acting = (name: string, summary: string, question: (id: string) => Question): Operation => ({
  name,
  summary,
  args: [ID("automation")],
  run: async (api, { args: [id = ""] }) => shownOne(await api.ask(question(id))),
});

const control = (name: "pause" | "resume" | "run", summary: string): Operation =>
  acting(name, summary, (id) => ({
    method: "POST",
    path: `${path`/api/automations/${id}`}/${name}`,
    body: {},
  }));

const OF: NonNullable<Operation["flags"]>[number] = {
  flags: "--automation <id>",
  help: "of this automation only",
};

const BLUEPRINT: NonNullable<Operation["flags"]>[number] = {
  flags: "--blueprint <id>",
  help: "which says what the definition leaves out",
};

const AUTOMATION: Family = {
  name: "automation",
  summary: "turns that an agent is asked for again and again, by the clock",
  service: "gateway",
  operations: [
    listing("list", "list the automations", AUTOMATIONS, [
      "automationId",
      "name",
      "schedule",
      "nextDueAt",
      "paused",
      "ownerId",
    ]),
    acting("show", "show one automation", (id) => ({ path: path`/api/automations/${id}` })),
    {
      name: "create",
      summary: "make one from a definition",
      args: [FILE],
      flags: [
        { flags: "--idempotency-key <key>", help: "asking again under it is the same automation" },
        BLUEPRINT,
      ],
      run: async (api, { args: [file = "-"], flags: { idempotencyKey, blueprint } }) => {
        const body = {
          definition: definitionIn(file),
          ...(blueprint ? { blueprintId: blueprint } : {}),
          ...(idempotencyKey ? { idempotencyKey } : {}),
        };
        return shownOne(await api.ask({ method: "POST", path: AUTOMATIONS, body }));
      },
    },
    {
      name: "update",
      summary: "save a whole definition over it; you are its owner from then on",
      args: [ID("automation"), FILE],
      flags: [
        { flags: "--version <n>", help: "the version it is made from (default: the newest)" },
      ],
      run: async (api, { args: [id = "", file = "-"], flags: { version } }) => {
        const at = path`/api/automations/${id}`;
        const from = version === undefined ? await versionOf(api, at) : Number(version);
        const body = { definition: definitionIn(file), version: from };
        return shownOne(await api.ask({ method: "PATCH", path: at, body }));
      },
    },
    {
      name: "preview",
      summary: "tell when a definition would be due, or what is wrong with it; keeps nothing",
      args: [FILE],
      flags: [BLUEPRINT],
      run: async (api, { args: [file = "-"], flags: { blueprint } }) => {
        const from = blueprint ? { blueprintId: blueprint } : {};
        const body = { definition: definitionIn(file), ...from };
        const question = { method: "POST", path: `${AUTOMATIONS}/preview`, body } as const;
        const answer = (await api.ask(question)) as { dueAt: readonly number[] };
        const text = answer.dueAt.map((at) => new Date(at).toISOString()).join("\n");
        return { value: answer, text };
      },
    },
    control("pause", "no ticks until it is resumed"),
    control("resume", "ticks again, from now on"),
    control("run", "a run now, paused or not"),
    acting("delete", "delete it and its runs", (id) => ({
      method: "DELETE",
      path: path`/api/automations/${id}`,
    })),
    listing(
      "runs",
      "list runs, newest first",
      "/api/automations/runs",
      ["runId", "dueAt", "cause", "status", "attempt", "error", "summary"],
      [OF, { flags: "--status <status>", help: "e.g. failed" }],
    ),
    listing(
      "deliveries",
      "list what is told outside, newest first",
      "/api/automations/deliveries",
      ["deliveryId", "to", "target", "status", "attempts", "nextAttemptAt", "error"],
      [
        OF,
        { flags: "--run-id <id>", help: "of this run only" },
        { flags: "--status <status>", help: "pending, delivered or failed" },
      ],
    ),
    {
      name: "redeliver",
      summary: "send it again, under the same id",
      args: [ID("delivery")],
      run: async (api, { args: [id = ""] }) => {
        const at = `${path`/api/automations/deliveries/${id}`}/redeliver`;
        return shownOne(await api.ask({ method: "POST", path: at, body: {} }));
      },
    },
    listing(
      "log",
      "who changed what, newest first",
      "/api/automations/log",
      ["at", "actor", "action", "automationId"],
      [OF],
    ),
  ],
};

export async function versionOf(api: Api, at: string): Promise<number> {
  return ((await api.ask({ path: at })) as { version: number }).version;
}

const triage = (action: string, summary: string): Operation => ({
  name: action,
  summary,
  args: [ID("item")],
  run: async (api, { args: [id] }) =>
    shownOne(await api.ask({ method: "POST", path: path`/api/inbox/${id}`, body: { action } })),
});

const INBOX: Family = {
  name: "inbox",
  summary: "what runs of automations have left for you",
  service: "gateway",
  operations: [
    listing(
      "list",
      "list items, newest first",
      "/api/inbox",
      ["itemId", "kind", "state", "title", "summary", "updatedAt"],
      [
        { flags: "--view <view>", help: "open, unread, snoozed, done or all (default: open)" },
        { flags: "--of <whom>", help: "me or tenant (default: me)" },
        OF,
      ],
    ),
    triage("read", "mark it as read"),
    triage("unread", "mark it as unread"),
    triage("done", "be done with it"),
    triage("reopen", "take it back from done or snoozed"),
    triage("retry", "run its run again, and be done with the item"),
    {
      name: "snooze",
      summary: "out of the way until then",
      args: [ID("item"), { name: "until", help: "ISO 8601, e.g. 2027-01-31T09:00:00Z" }],
      run: async (api, { args: [id, until = ""] }) => {
        const at = Date.parse(until);
        if (Number.isNaN(at)) throw new Error(`"${until}" is no time; use ISO 8601`);
        const body = { action: "snooze", until: at };
        return one(await api.ask({ method: "POST", path: path`/api/inbox/${id}`, body }));
      },
    },
  ],
};

export const AUTOMATION_FAMILIES: readonly Family[] = [AUTOMATION, INBOX];
