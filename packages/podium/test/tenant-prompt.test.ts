/** What a tenant adds to the prompt: read from a server that speaks Concordance's `GET /api/v1/kv`. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AgentClient } from "./support/agent-client.ts";
import { done, type EnsembleServer, text } from "./support/ensemble-server.ts";
import { type PodiumProcess, stepBody } from "./support/podium-process.ts";

const AGENT_KEY = "agent_test";
const KEY_PATH = "/api/v1/kv/tenant%3Aacme%2Fsettings/concierge.system_prompt_suffix";

import { PodiumWorld } from "./support/podium-world.ts";

let world: PodiumWorld;
let ensemble: EnsembleServer;
let podium: PodiumProcess;
let suffix: unknown;
let isDown = false;
const concordance = () =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const isAgent = request.headers.get("authorization") === `Bearer ${AGENT_KEY}`;
      if (isDown || !isAgent) return new Response("unavailable", { status: 503 });
      const isKnown = new URL(request.url).pathname === KEY_PATH && suffix !== undefined;
      if (isKnown) return Response.json({ value: suffix, version: 1 });
      return Response.json({ error: { code: "not_found", message: "no" } }, { status: 404 });
    },
  });
let config: ReturnType<typeof concordance>;

beforeEach(async () => {
  config = concordance();
  const flags = [
    `--concordance-url=http://127.0.0.1:${config.port}`,
    `--concordance-agent-key=${AGENT_KEY}`,
  ];
  world = await PodiumWorld.start(...flags);
  ({ ensemble, podium } = world);
});

afterEach(async () => {
  await world.end();
  await config.stop(true);
});

test("a tenant's sentence ends the prompt, counts at once when changed, and outlives Concordance's absence", async () => {
  await podium.createInstance("concierge", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.event("created");
  let steps = 0;
  const promptOfNextThought = async () => {
    ensemble.script(text("Hi."), done(1, 1));
    const response = await podium.step(stepBody("cmd_1", "i1", "t1", steps));
    expect(response.status).toBe(200);
    steps += 1;
    return ensemble.requests.at(-1)?.messages[0]?.content ?? "";
  };
  const plain = await promptOfNextThought();
  suffix = "Always greet in Danish.";
  expect(await promptOfNextThought()).toBe(`${plain}\nAlways greet in Danish.`);
  suffix = "Always greet in Welsh.";
  expect(await promptOfNextThought()).toBe(`${plain}\nAlways greet in Welsh.`);
  isDown = true;
  expect(await promptOfNextThought()).toBe(`${plain}\nAlways greet in Welsh.`);
  isDown = false;
  suffix = { not: "a sentence" };
  expect(await promptOfNextThought()).toBe(plain);
});
