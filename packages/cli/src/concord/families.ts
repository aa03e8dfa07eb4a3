/**
 * Owns the operator's commands over a running Concord, as data: what each is called, takes, asks, and shows. The
 * help is made from the same table that runs. Refuses to own: parsing (register.ts) and HTTP (api.ts).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { verifyEvidence } from "@concert/concord/evidence";
import {
  type Family,
  ID,
  listing,
  NOT_INTACT,
  type Operation,
  one,
  page,
  parsed,
  path,
  REASON,
  showing,
} from "./operation.ts";
import { QUESTION } from "./questions.ts";
import { columns, fields, type Row } from "./render.ts";
import { TASK } from "./tasks.ts";
import { WEBHOOK } from "./webhooks.ts";

const COMMAND: Family = {
  name: "command",
  summary: "what was asked for, and what came of it",
  operations: [
    listing(
      "commands",
      "/commands",
      ["command_id", "status", "task_name", "requested_by", "created_at"],
      [
        { flags: "--status <status>", help: "e.g. waiting_for_approval" },
        { flags: "--task-name <task>", help: "of this task" },
        { flags: "--requested-by <user>", help: "asked for by this user" },
        { flags: "--root-command-id <id>", help: "of this turn or tree" },
        { flags: "--since <time>", help: "created then or later, ISO 8601" },
        { flags: "--until <time>", help: "created before, ISO 8601" },
      ],
    ),
    showing("command", "/commands"),
    {
      name: "submit",
      summary: "ask for a task",
      args: [
        { name: "task", help: "the name of the task" },
        { name: "payload", help: "JSON; - reads standard input" },
      ],
      flags: [
        { flags: "--idempotency-key <key>", help: "asking again under it is the same command" },
      ],
      run: async (api, { args: [task, text = "{}"], flags }) => {
        const key = flags["idempotencyKey"];
        const body = {
          task_name: task,
          payload: parsed(text === "-" ? readFileSync(0, "utf8") : text),
          ...(typeof key === "string" ? { idempotency_key: key } : {}),
        };
        return one(await api.ask({ method: "POST", path: "/commands", body }));
      },
    },
    {
      name: "cancel",
      summary: "ask a command to stop",
      args: [ID("command")],
      flags: [REASON],
      run: async (api, { args: [id], flags }) =>
        one(
          await api.ask({
            method: "POST",
            path: path`/commands/${id}/cancel`,
            body: typeof flags["reason"] === "string" ? { reason: flags["reason"] } : {},
          }),
        ),
    },
    {
      name: "timeline",
      summary: "what happened to a command and why",
      args: [ID("command")],
      flags: [{ flags: "--descendants", help: "and to those below it" }],
      run: async (api, { args: [id], flags }) => {
        const query = { descendants: flags["descendants"] === true ? "true" : undefined };
        const answer = (await api.ask({ path: path`/commands/${id}/timeline`, query })) as {
          entries: readonly Row[];
        };
        const names = ["at", "title", "detail", "actor"];
        return { value: answer, text: columns(answer.entries, names, "Nothing is on record.") };
      },
    },
    {
      name: "costs",
      summary: "what a command and those below it cost",
      args: [ID("command")],
      run: async (api, { args: [id] }) => {
        const answer = (await api.ask({ path: path`/commands/${id}/costs` })) as {
          total: Row;
          commands: readonly Row[];
        };
        const names = ["command_id", "task_name", "calls", "call_units", "thoughts"];
        const tokens = ["input_tokens", "output_tokens"];
        const text = [columns(answer.commands, [...names, ...tokens], ""), fields(answer.total)];
        return { value: answer, text: text.join("\n\n") };
      },
    },
    {
      name: "explain",
      summary: "why a command is where it is",
      args: [ID("command")],
      run: async (api, { args: [id] }) => {
        const answer = (await api.ask({ path: path`/commands/${id}/explain` })) as {
          status: string;
          reasons: readonly { text: string; until: string | null }[];
        };
        const lines = answer.reasons.map(({ text, until }) =>
          until === null ? text : `${text} Until ${until}.`,
        );
        return { value: answer, text: [`It is ${answer.status}.`, ...lines].join("\n") };
      },
    },
  ],
};

const APPROVALS: Family = {
  name: "approvals",
  summary: "what waits for a person's decision",
  operations: [
    listing(
      "approvals",
      "/approvals",
      ["approval_id", "status", "approver", "requested_by", "expires_at"],
      [
        { flags: "--status <status>", help: "e.g. pending" },
        { flags: "--command-id <id>", help: "of this command or below it" },
      ],
    ),
    showing("approval", "/approvals"),
    {
      name: "resolve",
      summary: "decide one",
      args: [ID("approval"), { name: "decision", help: "approved or rejected" }],
      flags: [REASON],
      run: async (api, { args: [id, decision], flags }) =>
        one(
          await api.ask({
            method: "POST",
            path: path`/approvals/${id}/resolve`,
            body: {
              decision,
              ...(typeof flags["reason"] === "string" ? { reason: flags["reason"] } : {}),
            },
          }),
        ),
    },
  ],
};

const REDACT: Operation = {
  name: "redact",
  summary: "take something out of the record, for good; the chain stays whole",
  args: [
    { name: "target", help: "the id of a command, approval, artifact or event" },
    { name: "places", help: "JSON Pointers by commas, e.g. /payload/guest/email" },
  ],
  flags: [
    { flags: "--reason <text>", help: "why, for the record; needed" },
    { flags: "--only-there", help: "leave it wherever else it stands about the same command" },
  ],
  run: async (api, { args: [target, places = ""], flags }) => {
    const { reason, onlyThere } = flags;
    const body = {
      target,
      places: places.split(",").filter(Boolean),
      reason: typeof reason === "string" ? reason : "",
      everywhere: onlyThere !== true,
    };
    return one(await api.ask({ method: "POST", path: "/redactions", body }));
  },
};

const AUDIT: Family = {
  name: "audit",
  summary: "the record: read it, and check that nobody changed it",
  operations: [
    listing(
      "entries",
      "/audit/events",
      ["at", "event_type", "command_id", "actor"],
      [
        { flags: "--event-type <type>", help: "e.g. policy_evaluated" },
        { flags: "--purpose <purpose>", help: "event, audit or agent_step" },
        { flags: "--actor <actor>", help: "done by" },
        { flags: "--command-id <id>", help: "about this command" },
        { flags: "--since <time>", help: "then or later, ISO 8601" },
        { flags: "--until <time>", help: "before, ISO 8601" },
      ],
    ),
    {
      name: "verify",
      summary: "recompute the chain of the record; exits with 3 when it is not intact",
      flags: [{ flags: "--known <head>", help: "a head you kept: shows a cut-off end too" }],
      run: async (api, { flags }) => {
        const answer = (await api.ask({
          path: "/audit/verify",
          query: { known: flags["known"] },
        })) as Row;
        return { ...one(answer), exitCode: answer["intact"] === true ? 0 : NOT_INTACT };
      },
    },
    REDACT,
  ],
};

const POLICY: Family = {
  name: "policy",
  summary: "what decides, and what a change would have decided",
  operations: [
    {
      name: "list",
      summary: "list the registered policies",
      run: async (api) =>
        page(
          await api.ask({ path: "/policies" }),
          ["name", "version", "category", "mode", "tasks"],
          "None.",
        ),
    },
    {
      name: "what-if",
      summary: "replay recorded commands against a changed policy; changes nothing",
      args: [
        { name: "file", help: "JSON as POST /policies/what-if takes it; - reads standard input" },
      ],
      run: async (api, { args: [file = "-"] }) => {
        const body = parsed(readFileSync(file === "-" ? 0 : file, "utf8"));
        const answer = (await api.ask({ method: "POST", path: "/policies/what-if", body })) as {
          replayed: number;
          changed: number;
          differences: readonly Row[];
        };
        const head = `${answer.changed} of ${answer.replayed} commands would be decided otherwise.`;
        const names = ["command_id", "task_name", "before", "after"];
        const rows = answer.differences.map(({ before, after, ...rest }) => ({
          ...rest,
          before: decisionOf(before),
          after: decisionOf(after),
        }));
        return {
          value: answer,
          text: `${head}\n${columns(rows, names, "")}`.trimEnd(),
        };
      },
    },
  ],
};

const steer = (name: "pause" | "resume" | "trigger", summary: string): Operation => ({
  name,
  summary,
  args: [{ name: "name", help: "the name of the schedule" }],
  run: async (api, { args: [schedule] }) =>
    one(await api.ask({ method: "POST", path: `${path`/schedules/${schedule}`}/${name}` })),
});

const SCHEDULE: Family = {
  name: "schedule",
  summary: "what is asked for by the clock",
  operations: [
    {
      name: "list",
      summary: "list the schedules",
      run: async (api) =>
        page(
          await api.ask({ path: "/schedules" }),
          ["name", "status", "cron", "task_name", "last_tick_at"],
          "There are no schedules for you to see.",
        ),
    },
    steer("pause", "no ticks until it is resumed"),
    steer("resume", "ticks again"),
    steer("trigger", "a tick now"),
    {
      name: "backfill",
      summary: "the ticks that were due in a range of the past, each once",
      args: [
        { name: "name", help: "the name of the schedule" },
        { name: "from", help: "ISO 8601, not included" },
        { name: "to", help: "ISO 8601, included" },
      ],
      run: async (api, { args: [name, from, to] }) => {
        const body = { from, to };
        const answer = (await api.ask({
          method: "POST",
          path: path`/schedules/${name}/backfill`,
          body,
        })) as Row;
        return { value: answer, text: `${String(answer["ticks"])} ticks were asked for.` };
      },
    },
  ],
};

const INCIDENT: Family = {
  name: "incident",
  summary: "what went wrong and needs a person",
  operations: [
    listing(
      "incidents",
      "/incidents",
      ["incident_id", "status", "kind", "message", "created_at"],
      [
        { flags: "--status <status>", help: "e.g. open" },
        { flags: "--kind <kind>", help: "of this kind" },
        { flags: "--command-id <id>", help: "about this command" },
      ],
    ),
    showing("incident", "/incidents"),
    {
      name: "settle",
      summary: "try again, leave it standing, or say that it is settled",
      args: [ID("incident"), { name: "action", help: "retry, skip or resolve" }],
      flags: [{ flags: "--note <text>", help: "what was done, for the record" }],
      run: async (api, { args: [id, action], flags }) =>
        one(
          await api.ask({
            method: "POST",
            path: path`/incidents/${id}/settle`,
            body: { action, ...(typeof flags["note"] === "string" ? { note: flags["note"] } : {}) },
          }),
        ),
    },
  ],
};

const EVIDENCE: Family = {
  name: "evidence",
  summary: "everything on record about one command, as a file that is checked offline",
  operations: [
    {
      name: "export",
      summary: "write the evidence of a command to a file",
      args: [ID("command")],
      flags: [
        { flags: "--out <file>", help: "default: <id>.evidence; - writes to standard output" },
      ],
      run: async (api, { args: [id = ""], flags }) => {
        const text = await api.text({ path: path`/commands/${id}/evidence` });
        const out = typeof flags["out"] === "string" ? flags["out"] : `${id}.evidence`;
        const report = verifyEvidence(text);
        if (out === "-") return { value: report, text: text.trimEnd() };
        writeFileSync(out, text);
        return { value: { ...report, file: out }, text: `${out}\n${fields({ ...report })}` };
      },
    },
    {
      name: "verify",
      summary:
        "check such a file with nothing but the file; exits with 3 when anything was changed",
      offline: true,
      args: [{ name: "file", help: "what export wrote" }],
      flags: [
        { flags: "--known-head <head>", help: "a head of the chain that you kept elsewhere" },
      ],
      run: async (_api, { args: [file = ""], flags }) => {
        const known = flags["knownHead"];
        const report = verifyEvidence(
          readFileSync(file, "utf8"),
          typeof known === "string" ? known : undefined,
        );
        const verdict = report.intact ? "Intact: every byte is as it was exported." : "NOT intact.";
        const text = [verdict, fields({ ...report, problems: undefined }), ...report.problems].join(
          "\n",
        );
        return { value: report, text, exitCode: report.intact ? 0 : NOT_INTACT };
      },
    },
  ],
};

export const FAMILIES: readonly Family[] = [
  COMMAND,
  TASK,
  APPROVALS,
  AUDIT,
  POLICY,
  SCHEDULE,
  QUESTION,
  INCIDENT,
  EVIDENCE,
  WEBHOOK,
];

function decisionOf(one: unknown): string {
  return String((one as { readonly decision?: string } | undefined)?.decision ?? "");
}
