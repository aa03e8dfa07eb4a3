/**
 * D3 against a forger: the ids of another tenant in every field of every message and of every HTTP route, made from the
 * schemas and the route table, so that what is added later is forged as well. Nothing is told, and nothing changes.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ServerEvent } from "../src/protocol/index.ts";
import { type Frame, isWhole, sampled, textsIn, withValue } from "./support/frames.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { instanceOf, type JsonSchema } from "./support/json-instance.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(300_000);

const SECRET = "only-for-acme";
const FRAMES_EACH = 50;
const SHAPES_EACH = 6;
/** Of ids with the same beginning, e.g. `turn_`. */
const IDS_OF_A_KIND = 2;

let world: World;
let gateway: GatewayProcess;
let ann: TestClient;
let waiting: string;
/** Whatever names something of acme's. */
let ids: readonly string[];

beforeAll(async () => {
  world = new World();
  world.podium.files = new Map([["notes.txt", SECRET]]);
  world.podium.filesOf = "acme";
  gateway = await world.start("--http-requests-per-minute=100000");
  ann = await TestClient.as(gateway.port, TOKENS.ann);
  const done = await ann.newSession();
  await ann.ask({ type: "run_turn", sessionId: done, text: SECRET, idempotencyKey: "key-of-ann" });
  await ann.untilType("turn_complete");
  const schedule = { kind: "heartbeat", everyMinutes: 60 };
  const execution = { mode: "isolated", agentType: "echo" };
  const definition = { name: SECRET, prompt: SECRET, schedule, execution };
  const made = await ann.ask({ type: "create_automation", definition });
  const { automationId } = made["automation"] as { automationId: string };
  await ann.ask({ type: "control_automation", automationId, action: "run" });
  await ann.untilType("inbox_changed");
  waiting = await ann.newSession();
  await ann.ask({ type: "rename_session", sessionId: waiting, name: SECRET });
  await ann.ask({ type: "run_turn", sessionId: waiting, text: `approve ${SECRET}` });
  await ann.until(() => ann.log(waiting).some((e) => e.type === "permission_requested"));
  for (const scope of scopes()) {
    await ann.config("config/set", { ...scope, key: "secret", value: SECRET });
  }
  await ann.ask({
    type: "manage_members",
    change: { action: "invite", email: `${SECRET}@acme.test`, role: "member" },
  });
  await automate();
  const named = ["acme", "ann", "notes.txt", "secret", "key-of-ann"];
  ids = [...new Set([...someOfEach(idsIn(ann.events)), ...named])].filter(
    (id) => !id.includes(SECRET),
  );
});
afterAll(() => world.stop());

/** An automation that has run once, and told it in an inbox. */
async function automate(): Promise<void> {
  const made = await ann.ask({
    type: "create_automation",
    definition: {
      name: SECRET,
      prompt: SECRET,
      schedule: { kind: "cron", cron: "0 0 1 1 *", timeZone: "UTC" },
      execution: { mode: "isolated", agentType: "echo" },
    },
  });
  const { automationId } = made["automation"] as { automationId: string };
  await ann.ask({ type: "control_automation", automationId, action: "run" });
  const isOver = async () => {
    const { runs } = await ann.ask({ type: "list_automation_runs", automationId });
    return (runs as { status: string }[])[0]?.status === "succeeded";
  };
  for (let tries = 0; tries < 300 && !(await isOver()); tries += 1) await Bun.sleep(500);
  expect(await isOver()).toBe(true);
  // Its items are read, so that their ids are known.
  await ann.ask({ type: "list_inbox" });
}

function someOfEach(all: readonly string[]): readonly string[] {
  const kindOf = (id: string) => id.split("_")[0];
  return all.filter((id, at) => {
    const later = all.slice(at + 1).filter((other) => kindOf(other) === kindOf(id));
    return later.length < IDS_OF_A_KIND;
  });
}

/** What a person of acme reads over HTTP. */
async function readAsAnn(path: string): Promise<unknown> {
  const response = await fetch(`${gateway.url}/api/${path}`, {
    headers: { authorization: `Bearer ${TOKENS.ann}` },
  });
  expect([path, response.status]).toEqual([path, 200]);
  return response.json();
}

const scopes = () => [
  { scope: "tenant" },
  { scope: "user" },
  { scope: "session", sessionId: waiting },
];

/** Every text under a key that names something. */
function idsIn(events: readonly ServerEvent[]): string[] {
  const found = (value: unknown, key: string): string[] => {
    if (typeof value === "string") return /id$|^epoch$/i.test(key) ? [value] : [];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([name, inner]) => found(inner, name));
  };
  const all = events.flatMap((event) => found(event, ""));
  return [...new Set(all)].filter((id) => !/^q\d+$/.test(id));
}

const READ = [
  "billing",
  "billing/limits",
  "automations",
  "automations/runs",
  "automations/log",
  "inbox",
];

/** Everything that acme can see of itself. */
async function stateOfAcme(): Promise<unknown> {
  const { sessions } = (await ann.ask({
    type: "list_sessions",
    includeArchived: true,
  })) as unknown as {
    sessions: { sessionId: string; updatedAt: number }[];
  };
  // By name: the list's own order is that of the last use.
  sessions.sort((one, other) => one.sessionId.localeCompare(other.sessionId));
  const people = await ann.ask({ type: "manage_members", change: { action: "list" } });
  const logs = [];
  for (const { sessionId } of sessions) logs.push(await ann.storedLog(sessionId));
  const config = [];
  for (const scope of scopes()) {
    const { result } = await ann.config("config/get", { ...scope, key: "secret" });
    config.push(result);
  }
  const read = [];
  for (const path of READ) read.push(await readAsAnn(path));
  const { members, invitations } = people;
  const approvals = [...world.concord.approvals.values()].filter(({ tenant }) => tenant === "acme");
  return { sessions, members, invitations, logs, config, read, approvals };
}

/** Each kind of frame in its several shapes, with each id in each text of it, alone and everywhere at once. */
async function forgedFrames(): Promise<readonly Frame[]> {
  const forged: Frame[] = [];
  for (const samples of await sampled(1, 60)) {
    const shapes = new Map<string, Frame>();
    for (const sample of samples) {
      const shape =
        JSON.stringify(textsIn(sample)) + JSON.stringify(sample["change"] ?? "").slice(0, 20);
      if (shapes.size < SHAPES_EACH && isWhole(sample)) shapes.set(shape, sample);
    }
    for (const frame of shapes.values()) {
      if (frame["type"] === "authenticate") continue;
      const places = textsIn(frame).filter((at) => isWhole(withValue(frame, at, ids[0] ?? "")));
      for (const id of ids) {
        const everywhere = places.reduce((one, at) => withValue(one, at, id), frame);
        forged.push(everywhere, ...places.map((at) => withValue(frame, at, id)));
        // The rest may be about nothing: the session, at least, is theirs.
        if ("sessionId" in frame) forged.push(withValue(everywhere, ["sessionId"], waiting));
      }
    }
  }
  return forged.filter(isWhole);
}

test("D3 their ids in every field of every message tell nothing and change nothing", async () => {
  const before = await stateOfAcme();
  const asked = world.concord.seenTenants.length;
  const forged = await forgedFrames();
  const kinds = new Set(forged.map((frame) => frame["type"] ?? frame["method"]));
  expect(kinds.size).toBeGreaterThan(25);
  expect(forged.length).toBeGreaterThan(2_000);
  const listener = await TestClient.as(gateway.port, TOKENS.eve);
  for (let at = 0; at < forged.length; at += FRAMES_EACH) {
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    for (const frame of forged.slice(at, at + FRAMES_EACH)) eve.sendText(JSON.stringify(frame));
    // What is said while she listens, she must not hear.
    if (at === 0) {
      await ann.ask({ type: "rename_session", sessionId: waiting, name: `${SECRET}!` });
      await ann.ask({ type: "rename_session", sessionId: waiting, name: SECRET });
    }
    const ping = { type: "ping", requestId: "the last one" } as const;
    eve.send(ping);
    await eve.until(() =>
      eve.events.some((e) => e.type === "pong" && e.requestId === ping.requestId),
    );
    const heard = JSON.stringify([eve.events, eve.configFrames, eve.unreadable]);
    if (heard.includes(SECRET)) expect(heard).not.toContain(SECRET);
    for (const event of eve.events) {
      if (!("sessionId" in event)) continue;
      // The only sessions that she hears anything of are her own.
      expect([event.type, ids.includes(String(event.sessionId))]).toEqual([event.type, false]);
    }
    eve.close();
  }
  expect(JSON.stringify(listener.events)).not.toContain(SECRET);
  listener.close();
  expect(unnumbered(await stateOfAcme())).toEqual(unnumbered(before));
  expect(world.podium.strangers).toEqual([]);
  const others = world.concord.seenTenants.slice(asked);
  expect(others.filter((tenant) => tenant !== "globex")).toEqual([]);
});

/** Without when a session was last touched: ann herself renamed one meanwhile. */
const unnumbered = (state: unknown) =>
  JSON.parse(JSON.stringify(state, (key, value) => (key === "updatedAt" ? undefined : value)));

interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { content: { "application/json": { schema: JsonSchema } } };
}

/** Fields of all messages at once, for routes that take a message's fields. */
function messageFields(text: string): object {
  const url = new URL("../../../docs/protocol.schema.json", import.meta.url);
  const { $defs } = JSON.parse(readFileSync(url, "utf8")) as {
    $defs: { clientMessage: { anyOf: readonly JsonSchema[] } };
  };
  const all = $defs.clientMessage.anyOf.map((schema) => instanceOf(schema, text) as object);
  return { ...Object.assign({}, ...all), approved: true, clientTurnId: text };
}

test("D3 their ids in every path, query and body of every HTTP route tell nothing and change nothing", async () => {
  const before = await stateOfAcme();
  const asked = world.concord.seenTenants.length;
  const headers = {
    authorization: `Bearer ${TOKENS.eve}`,
    "content-type": "application/json",
  };
  const document = await (await fetch(`${gateway.url}/api/openapi.json`)).json();
  const { paths } = document as { paths: Record<string, Record<string, Operation>> };
  let requests = 0;
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { parameters, requestBody }] of Object.entries(operations)) {
      for (const id of ids) {
        const at = path.replace(/\{\w+\}/g, encodeURIComponent(id));
        const asks = parameters.filter((one) => one.in === "query");
        const query = new URLSearchParams(asks.map(({ name }): [string, string] => [name, id]));
        const schema = requestBody?.content["application/json"].schema;
        const own = schema === undefined ? {} : (instanceOf(schema, id) as object);
        const body = { ...messageFields(id), ...own };
        const response = await fetch(`${gateway.url}${at}?${query}`, {
          method: method.toUpperCase(),
          headers,
          signal: AbortSignal.timeout(30_000),
          ...(schema === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (text.includes(SECRET))
          expect([method, at, text]).toEqual([method, at, "nothing of acme"]);
        if (path.startsWith("/api/threads/{id}")) {
          expect([method, at, response.status >= 400]).toEqual([method, at, true]);
        }
        requests += 1;
      }
    }
  }
  expect(requests).toBeGreaterThan(20 * ids.length);
  expect(await stateOfAcme()).toEqual(before);
  expect(world.podium.strangers).toEqual([]);
  const others = world.concord.seenTenants.slice(asked);
  expect(others.filter((tenant) => tenant !== "globex")).toEqual([]);
});
