/** Owns what tests of automations ask of a gateway again and again, and a look into what a stopped one has kept. */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { join } from "node:path";
import type { Automation, AutomationRun, InboxItem } from "../../src/protocol/index.ts";
import type { TestClient } from "./test-client.ts";

/** Not while a test runs. */
const YEARLY = { kind: "cron", cron: "30 4 1 1 *", timeZone: "Europe/Berlin" } as const;

export const HOURLY = { kind: "cron", cron: "0 * * * *", timeZone: "Europe/Berlin" } as const;

export const briefing = (prompt: string, change: object = {}) => ({
  name: "Briefing",
  schedule: YEARLY,
  prompt,
  execution: { mode: "isolated", agentType: "echo" },
  retries: { max: 0 },
  ...change,
});

export async function make(client: TestClient, definition: object): Promise<Automation> {
  const answer = await client.ask({ type: "create_automation", definition: { ...definition } });
  expect(answer.type).toBe("automation");
  return answer["automation"] as Automation;
}

export const runsOf = async (client: TestClient, automationId: string) => {
  const answer = await client.ask({ type: "list_automation_runs", automationId });
  return answer["runs"] as AutomationRun[];
};
export const runNow = async (client: TestClient, automationId: string, idempotencyKey?: string) => {
  const key = idempotencyKey === undefined ? {} : { idempotencyKey };
  const answer = await client.ask({
    type: "control_automation",
    automationId,
    action: "run",
    ...key,
  });
  return answer["run"] as AutomationRun;
};
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const found = await ask();
    if (found !== undefined) return found;
    // The gateway takes 60 messages in 10 s.
    await Bun.sleep(300);
  }
  throw new Error(`not in time: ${what}`);
}
export const ended = (client: TestClient, automationId: string, count = 1) =>
  until(`${count} runs to end`, async () => {
    const runs = await runsOf(client, automationId);
    const over = runs.filter(({ endedAt }) => endedAt !== null);
    return over.length >= count && over.length === runs.length ? runs : undefined;
  });
export const inbox = async (client: TestClient, more: object = {}) => {
  const answer = await client.ask({ type: "list_inbox", ...more });
  return answer as unknown as { items: InboxItem[]; unread: number; cursor?: string };
};

/** What a stopped gateway has kept of acme. */
export function registryOf<A>(dataDir: string, use: (database: Database) => A): A {
  const database = new Database(join(dataDir, "tenants/acme/registry.db"));
  try {
    return use(database);
  } finally {
    database.close();
  }
}

/** The next tick is already due when the gateway starts. */
export const setDue = (dataDir: string, automationId: string, dueAt: number) =>
  registryOf(dataDir, (database) =>
    database
      .query("UPDATE automations SET cursor_at = ?, next_due_at = ? WHERE automation_id = ?")
      .run(dueAt - 1, dueAt, automationId),
  );
