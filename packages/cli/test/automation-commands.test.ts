/** `concert automation` and `concert inbox` as processes, against a real gateway: answers, JSON, problems, exit codes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@concert/concord/testing";
import { concertIn } from "./concert.ts";

const ROOT = join(import.meta.dir, "../../..");
const WITHIN_MS = 90_000;

let folder = "";
let gateway: ReturnType<typeof Bun.spawn>;
let url = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concert-cli-"));
  url = `http://127.0.0.1:${await freePort()}`;
  // Nobody hosts agents here: what is asked for stays open.
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  gateway = Bun.spawn(
    [
      process.execPath,
      join(ROOT, "packages/diminuendo/src/main.ts"),
      `--listen=${url.replace("http://", "")}`,
      `--data-dir=${folder}/gateway`,
      `--podium-url=${nowhere}`,
      `--concord-url=${nowhere}`,
      `--concordance-url=${nowhere}`,
    ],
    {
      stdout: "ignore",
      stderr: "inherit",
      env: {
        ...process.env,
        LOG_LEVEL: "error",
        DIMINUENDO_API_KEYS:
          "key-of-anna=acme:anna:anna@acme.test:owner:,key-of-vic=acme:vic:vic@acme.test:viewer:",
      },
    },
  );
  while (
    !(await fetch(`${url}/health`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (gateway.exitCode !== null) throw new Error("the gateway ended");
    await Bun.sleep(50);
  }
}, WITHIN_MS);

afterAll(async () => {
  gateway.kill("SIGTERM");
  await gateway.exited;
  rmSync(folder, { recursive: true });
}, WITHIN_MS);

const { concert, json } = concertIn(
  () => folder,
  () => ({ DIMINUENDO_URL: url, DIMINUENDO_API_KEY: "key-of-anna" }),
);
function file(name: string, change: object = {}): string {
  const definition = {
    name: "Briefing",
    schedule: { kind: "cron", cron: "0 9 * * 1-5", timeZone: "Europe/Berlin" },
    prompt: "What is new?",
    execution: { mode: "isolated", agentType: "concierge" },
    ...change,
  };
  writeFileSync(join(folder, name), JSON.stringify(definition));
  return name;
}

test(
  "an automation is made, shown, changed, paused, run and deleted; each change is on record",
  async () => {
    const { automationId: id } = await json("automation", "create", file("a.json"));
    const list = await concert("automation", "list");
    expect(list.out).toContain("0 9 * * 1-5 (Europe/Berlin)");
    expect(await json("automation", "show", id)).toMatchObject({ version: 1, ownerId: "anna" });
    const heartbeat = { schedule: { kind: "heartbeat", everyMinutes: 90 } };
    const changed = await json("automation", "update", id, file("b.json", heartbeat));
    expect(changed).toMatchObject({ version: 2, definition: heartbeat });
    const late = await concert("automation", "update", id, "b.json", "--version", "1");
    expect([late.code, late.err]).toEqual([1, expect.stringContaining("AutomationConflict")]);
    expect(await json("automation", "pause", id)).toMatchObject({ paused: "person" });
    const run = await json("automation", "run", id);
    expect(run).toMatchObject({ cause: "manual", automationId: id });
    expect((await json("automation", "runs", "--automation", id)).items).toHaveLength(1);
    expect((await concert("automation", "runs")).out).toContain(run.runId);
    expect(await json("automation", "resume", id)).toMatchObject({ paused: null });
    const log = await concert("automation", "log", "--automation", id);
    for (const action of ["created", "updated", "paused", "triggered", "resumed"]) {
      expect(log.out).toContain(action);
    }
    expect((await concert("inbox", "list")).out).toContain("The inbox is empty");
    expect(await json("automation", "delete", id)).toEqual({ automationId: id });
    const gone = await concert("automation", "show", id);
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining("AutomationNotFound")]);
  },
  WITHIN_MS,
);

test(
  "what is wrong with a definition is told line by line; what it would do, as times",
  async () => {
    const bad = await concert(
      "automation",
      "preview",
      file("c.json", { schedule: { kind: "cron", cron: "99 * * * *" }, prompt: "Hi {{who}}" }),
    );
    expect(bad.code).toBe(1);
    expect(bad.err).toContain("InvalidAutomation");
    expect(bad.err).toContain("\n  schedule.cron: ");
    expect(bad.err).toContain("\n  prompt: ");
    const good = await concert("automation", "preview", file("d.json"));
    expect(good.out.trim().split("\n")).toHaveLength(5);
    expect(good.out).toMatch(/^\d{4}-\d\d-\d\dT0[78]:00:00\.000Z$/m);
  },
  WITHIN_MS,
);

test(
  "a blueprint is made, shown, changed and deleted, and an automation made from it; what is told outside is listed",
  async () => {
    const template = {
      prompt: "What is new about {{topic}}?",
      execution: { mode: "isolated", agentType: "echo" },
    };
    writeFileSync(join(folder, "blue.json"), JSON.stringify({ name: "News", template }));
    const made = await json("blueprint", "create", "blue.json");
    expect(made).toMatchObject({ name: "News", version: 1, needs: ["topic"] });
    const { blueprintId: id } = made;
    expect((await concert("blueprint", "list")).out).toContain("News");
    const mine = { name: "Mine", schedule: { kind: "heartbeat", everyMinutes: 60 } };
    writeFileSync(join(folder, "mine.json"), JSON.stringify(mine));
    const unsaid = await concert("automation", "create", "mine.json", "--blueprint", id);
    expect([unsaid.code, unsaid.err]).toEqual([1, expect.stringContaining("\n  prompt: ")]);
    const said = { ...mine, variables: { topic: "Lisbon" } };
    writeFileSync(join(folder, "said.json"), JSON.stringify(said));
    const preview = await concert("automation", "preview", "said.json", "--blueprint", id);
    expect(preview.out.trim().split("\n")).toHaveLength(5);
    const automation = await json("automation", "create", "said.json", "--blueprint", id);
    expect(automation).toMatchObject({ definition: { name: "Mine", prompt: template.prompt } });
    expect(await json("blueprint", "update", id, "blue.json")).toMatchObject({ version: 2 });
    expect(await json("blueprint", "show", id)).toMatchObject({ version: 2 });
    expect(await json("blueprint", "delete", id)).toEqual({ blueprintId: id });
    expect((await concert("blueprint", "show", id)).err).toContain("BlueprintNotFound");
    expect((await concert("automation", "deliveries")).out).toContain("Nothing is told outside");
    const none = await concert("automation", "redeliver", "dlv_none");
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("DeliveryNotFound")]);
    await json("automation", "delete", automation.automationId);
  },
  WITHIN_MS,
);

test(
  "who may only look cannot change; a key that is not accepted says where it came from",
  async () => {
    const vic = await concert("automation", "create", file("e.json"), "--key", "key-of-vic");
    expect([vic.code, vic.err]).toEqual([1, expect.stringContaining("automation:write")]);
    const nobody = await concert("inbox", "list", "--key", "no-such-key");
    expect(nobody.err).toContain("does not accept the key of --key");
    expect(nobody.err).toContain("DIMINUENDO_API_KEY");
  },
  WITHIN_MS,
);
