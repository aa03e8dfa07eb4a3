/** Owns the commands for webhooks that leave: who hears of what, their secrets, and what became of deliveries. */
import { randomBytes } from "node:crypto";
import type { Api, Question } from "./api.ts";
import {
  type Family,
  type Flag,
  ID,
  listing,
  type Operation,
  one,
  path,
  REASON,
} from "./operation.ts";

const SECRET_BYTES = 32;
const TYPES: Flag = {
  flags: "--events <types>",
  help: "by commas, e.g. state_transitioned,approval_*; all without it",
};
const DESCRIPTION: Flag = { flags: "--description <text>", help: "what it is for" };
const SECRET_REF = {
  name: "secret-ref",
  help: "where the secret is, e.g. env:CONCORD_WEBHOOK_ACME__SHOP",
};

type Flags = Readonly<Record<string, string | boolean | undefined>>;

const fieldsOf = ({ events, description, to }: Flags) => ({
  ...(typeof events === "string" ? { event_types: events.split(",").filter(Boolean) } : {}),
  ...(typeof description === "string" ? { description } : {}),
  ...(typeof to === "string" ? { url: to } : {}),
});

/** Asks something of one webhook; `question` says what, from the flags. */
function doing(
  name: string,
  summary: string,
  question: (id: string, flags: Flags) => Question,
  flags: readonly Flag[] = [],
): Operation {
  return {
    name,
    summary,
    args: [ID("webhook")],
    flags,
    run: async (api, { args: [id = ""], flags: given }) => one(await api.ask(question(id, given))),
  };
}

const post = (at: string, body: unknown = {}): Question => ({ method: "POST", path: at, body });

export const WEBHOOK: Family = {
  name: "webhook",
  summary: "who hears of events outside, and what became of each delivery",
  operations: [
    listing(
      "webhooks",
      "/webhook-endpoints",
      ["webhook_id", "status", "url", "event_types", "failures"],
      [],
    ),
    doing("show", "show one webhook", (id) => ({ path: path`/webhook-endpoints/${id}` })),
    {
      name: "secret",
      summary:
        "make a secret that can sign; put it where Concord runs, and give it to the receiver",
      offline: true,
      run: async () => {
        const secret = `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
        return { value: { secret }, text: secret };
      },
    },
    {
      name: "create",
      summary: "send events to a URL from now on",
      args: [
        { name: "to", help: "the final URL; https unless Concord was told otherwise" },
        SECRET_REF,
      ],
      flags: [TYPES, DESCRIPTION],
      run: async (api, { args: [url, secret_ref], flags }) =>
        one(await api.ask(post("/webhook-endpoints", { ...fieldsOf(flags), url, secret_ref }))),
    },
    doing(
      "update",
      "another URL, other events, another description",
      (id, flags) => ({
        method: "PATCH",
        path: path`/webhook-endpoints/${id}`,
        body: fieldsOf(flags),
      }),
      [{ flags: "--to <url>", help: "where to send from now on" }, TYPES, DESCRIPTION],
    ),
    {
      name: "rotate",
      summary: "sign with another secret; both sign for a while",
      args: [ID("webhook"), SECRET_REF],
      flags: [{ flags: "--overlap-minutes <n>", help: "how long both sign (a day)" }],
      run: async (api, { args: [id, secret_ref], flags }) => {
        const minutes = flags["overlapMinutes"];
        const overlap = typeof minutes === "string" ? { overlap_minutes: Number(minutes) } : {};
        const at = path`/webhook-endpoints/${id}/rotate`;
        return one(await api.ask(post(at, { secret_ref, ...overlap })));
      },
    },
    doing(
      "disable",
      "send nothing for now; what happens meanwhile is kept",
      (id, { reason }) =>
        post(path`/webhook-endpoints/${id}/disable`, typeof reason === "string" ? { reason } : {}),
      [REASON],
    ),
    doing(
      "enable",
      "send again, from where it stopped",
      (id, { skipMissed }) =>
        post(path`/webhook-endpoints/${id}/enable`, { skip_missed: skipMissed === true }),
      [{ flags: "--skip-missed", help: "from now on instead" }],
    ),
    doing("delete", "send nothing there any more", (id) => ({
      method: "DELETE",
      path: path`/webhook-endpoints/${id}`,
    })),
    {
      ...listing(
        "deliveries",
        "/webhook-deliveries",
        ["delivery_id", "status", "event_type", "attempts", "response_code", "error"],
        [
          { flags: "--webhook-id <id>", help: "to this webhook" },
          { flags: "--status <status>", help: "pending, delivered, failed or held" },
          { flags: "--event-type <type>", help: "of this event" },
        ],
      ),
      name: "deliveries",
    },
    ofDelivery("delivery", "show one delivery and its last attempts", (api, id) =>
      api.ask({ path: path`/webhook-deliveries/${id}` }),
    ),
    ofDelivery("redeliver", "send it again under the same webhook-id", (api, id) =>
      api.ask(post(path`/webhook-deliveries/${id}/redeliver`)),
    ),
  ],
};

function ofDelivery(
  name: string,
  summary: string,
  ask: (api: Api, id: string) => Promise<unknown>,
): Operation {
  return {
    name,
    summary,
    args: [ID("delivery")],
    run: async (api, { args: [id = ""] }) => one(await ask(api, id)),
  };
}
