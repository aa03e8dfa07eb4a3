/** The operator's commands as processes, against a real Concord on a real Postgres: answers, JSON, exit codes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startTestPostgres, type TestPostgres } from "@concert/concord/testing";
import { concertIn } from "./concert.ts";

const ROOT = join(import.meta.dir, "../../..");
const WITHIN_MS = 90_000;
const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;

let folder = "";
let postgres: TestPostgres;
let server: ReturnType<typeof Bun.spawn>;
let url = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concert-cli-"));
  postgres = await startTestPostgres();
  url = `http://127.0.0.1:${await freePort()}`;
  server = Bun.spawn(
    [
      process.execPath,
      join(ROOT, "packages/concord/src/server/main.ts"),
      `--listen=${url.replace("http://", "")}`,
      `--database-url=${postgres.databaseUrl}`,
      `--contracts=${join(ROOT, "packages/concord/test/support/contracts.ts")}`,
      "--api-keys=anna=t1:anna:owner|operator:buy,fred=t1:fred:finance:",
    ],
    {
      stdout: "ignore",
      stderr: "inherit",
      env: {
        ...process.env,
        LOG_LEVEL: "error",
        CONCORD_WEBHOOK_T1__CLI: SECRET,
        CONCORD_WEBHOOK_PRIVATE_RANGES: "127.0.0.1/32",
        CONCORD_WEBHOOK_PLAIN_HTTP: "true",
      },
    },
  );
  while (
    !(await fetch(`${url}/ready`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (server.exitCode !== null) throw new Error("the server ended");
    await Bun.sleep(50);
  }
}, WITHIN_MS);

afterAll(async () => {
  server.kill("SIGTERM");
  await server.exited;
  await postgres.stop();
  rmSync(folder, { recursive: true });
}, WITHIN_MS);

const { concert, json } = concertIn(
  () => folder,
  () => ({ CONCORD_URL: url, CONCORD_API_KEY: "anna" }),
);

describe("concert, asking a running Concord", () => {
  let id = "";
  let approval = "";

  test(
    "a command is asked for, found, shown and explained",
    async () => {
      const payload = JSON.stringify({ order_id: "cli-1", item: "chair", amount: 900 });
      id = (await json("command", "submit", "buy", payload)).command_id;
      expect(
        (await json("command", "list", "--status", "waiting_for_approval")).items,
      ).toHaveLength(1);
      const shown = await concert("command", "show", id);
      expect([shown.code, shown.out]).toEqual([0, expect.stringContaining("waiting_for_approval")]);
      const why = await concert("command", "explain", id);
      expect(why.out).toContain("It waits for a decision of the group finance.");
      expect((await concert("command", "timeline", id)).out).toContain("anna");
    },
    WITHIN_MS,
  );

  test(
    "what may be asked for is listed and shown, and a name that is none is told with those there are",
    async () => {
      const listed = await concert("task", "list");
      expect([listed.code, listed.out]).toEqual([0, expect.stringMatching(/buy\s+buy\s+low/)]);
      expect(await json("task", "show", "buy")).toMatchObject({ connector_requirements: ["shop"] });
      const unknown = await concert("task", "show", "nothing");
      expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("buy, order")]);
    },
    WITHIN_MS,
  );

  test(
    "an approval is listed for people, and decided by who may",
    async () => {
      const listed = await concert("approvals", "list", "--status", "pending");
      expect(listed.out).toMatch(/approval_id\s+status\s+approver/);
      approval = (await json("approvals", "list")).items[0].approval_id;
      const refused = await concert("approvals", "resolve", approval, "approved");
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("not_approver")]);
      const decided = await json(
        "approvals",
        "resolve",
        approval,
        "rejected",
        "--reason",
        "no",
        "--key",
        "fred",
      );
      expect(decided).toMatchObject({ status: "rejected", decision_reason: "no" });
    },
    WITHIN_MS,
  );

  test(
    "the record is read in pages and verified",
    async () => {
      const first = await json("audit", "list", "--command-id", id, "--limit", "2");
      expect(first.items).toHaveLength(2);
      const next = await json(
        "audit",
        "list",
        "--command-id",
        id,
        "--limit",
        "2",
        "--cursor",
        first.next_cursor,
      );
      const ids = [...first.items, ...next.items].map((one: { event_id: string }) => one.event_id);
      expect(new Set(ids).size).toBe(4);
      expect((await json("audit", "verify")).intact).toBe(true);
      const cut = await concert("audit", "verify", "--known", "0".repeat(64));
      expect([cut.code, cut.out]).toEqual([3, expect.stringContaining("cut off")]);
    },
    WITHIN_MS,
  );

  test(
    "evidence is exported, verified offline, and a changed byte is noticed",
    async () => {
      const file = join(folder, "one.evidence");
      const exported = await json("evidence", "export", id, "--out", file);
      expect(exported).toMatchObject({ intact: true, file });
      const offline = ["evidence", "verify", file];
      const checked = await concert(...offline);
      expect([checked.code, checked.out]).toEqual([0, expect.stringContaining("Intact")]);
      writeFileSync(file, readFileSync(file, "utf8").replace("anna", "anne"));
      const changed = await concert(...offline);
      expect([changed.code, changed.out]).toEqual([3, expect.stringContaining("NOT intact")]);
    },
    WITHIN_MS,
  );

  test(
    "schedules are listed, paused, resumed; policies are listed",
    async () => {
      const names = (await json("schedule", "list")).items.map((one: { name: string }) => one.name);
      expect(names).toContain("expire_pending_approvals");
      expect((await json("schedule", "pause", "forget_ended_runs")).status).toBe("paused");
      expect((await json("schedule", "resume", "forget_ended_runs")).status).toBe("active");
      const range = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"] as const;
      const filled = await concert("schedule", "backfill", "forget_ended_runs", ...range);
      expect(filled.out).toBe("1 ticks were asked for.\n");
      expect((await concert("policy", "list")).out).toContain("may_buy");
    },
    WITHIN_MS,
  );

  test(
    "what is wrong is said, with the exit code that says how",
    async () => {
      const missing = await concert("command", "show", "cmd_00000000000000000000000000000000");
      expect([missing.code, missing.err]).toEqual([
        1,
        expect.stringContaining("concert: not_found:"),
      ]);
      const { err } = await concert("command", "list", "--key", "wrong");
      expect(err).toContain("does not accept the key of --key: give another");
      const away = await concert("command", "list", "--url", "http://127.0.0.1:9");
      expect([away.code, away.err]).toEqual([1, expect.stringContaining("is it running?")]);
      expect((await concert("command", "show")).code).toBe(2);
      expect((await concert("command", "list", "--colour", "red")).code).toBe(2);
      expect((await concert("command", "submit", "buy", "{not json")).err).toContain(
        "that is not JSON",
      );
      const help = await concert("approvals", "resolve", "--help");
      expect([help.code, help.out]).toEqual([0, expect.stringContaining("approved or rejected")]);
    },
    WITHIN_MS,
  );

  test(
    "something is taken out of the record, and the chain is still whole",
    async () => {
      const payload = JSON.stringify({ order_id: "cli-redact", item: "armchair", amount: 1 });
      const { command_id: mine } = await json("command", "submit", "buy", payload);
      // There is no shop here, so it fails; what was asked for is on record all the same.
      while ((await json("command", "show", mine)).status !== "failed") await Bun.sleep(50);
      const without = await concert("audit", "redact", mine, "/payload/item");
      expect([without.code, without.err]).toEqual([1, expect.stringContaining("reason")]);
      const done = await json("audit", "redact", mine, "/payload/item", "--reason", "asked for");
      expect(done.changed.commands).toBe(1);
      expect((await json("command", "show", mine)).payload.item).toBe("[redacted]");
      expect((await json("audit", "verify")).intact).toBe(true);
    },
    WITHIN_MS,
  );

  test(
    "a webhook is made, hears of what happens, and its deliveries are listed and sent again",
    async () => {
      const heard: string[] = [];
      const receiver = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: (request) => {
          heard.push(request.headers.get("webhook-id") ?? "");
          return new Response(null, { status: 204 });
        },
      });
      expect((await json("webhook", "secret")).secret).toMatch(/^whsec_/);
      const ref = "env:CONCORD_WEBHOOK_T1__CLI";
      const to = `http://127.0.0.1:${receiver.port}/`;
      const made = await json("webhook", "create", to, ref, "--events", "webhook_updated");
      await json("webhook", "update", made.webhook_id, "--description", "the shop");
      while (heard.length === 0) await Bun.sleep(50);
      const { items } = await json("webhook", "deliveries", "--webhook-id", made.webhook_id);
      await json("webhook", "redeliver", items[0].delivery_id);
      while (heard.length < 2) await Bun.sleep(50);
      expect(new Set(heard)).toEqual(new Set([items[0].event_id]));
      expect((await concert("webhook", "list")).out).toContain(made.webhook_id);
      expect((await json("webhook", "disable", made.webhook_id)).status).toBe("disabled");
      expect((await json("webhook", "delete", made.webhook_id)).status).toBe("deleted");
      const refused = await concert("webhook", "create", "http://10.0.0.1/", ref);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("private address")]);
      receiver.stop(true);
    },
    WITHIN_MS,
  );
});
