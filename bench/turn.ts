/**
 * Measures one governed turn as the client sees it: from the request to the approval card, and from the
 * decision to the confirmation. One client, one turn at a time, offline model, everything on this machine.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SERVICE_NAMES, type Stack, startStack } from "@concert/cli/stack";
import { DiminuendoClient, type SessionEvent } from "@concert/sdk";
import { milliseconds, quantile, table } from "./support/table.ts";

const TURNS = 30;
const WARM_UP_TURNS = 3;
/** The gateway takes 60 messages in 10 s from one connection; a turn needs five. */
const PAUSE_MS = 800;
const FIRST_STAY = Date.UTC(2027, 0, 4);
const STAY_DAYS = 2;
const DAY_MS = 86_400_000;

interface Sample {
  readonly toApprovalMs: number;
  readonly toConfirmationMs: number;
}

/** The offline model's pause between two words: as it ships, and none, which leaves the platform's own share. */
const MODELS = [
  { label: "offline model, typing (18 ms a word)", env: {} },
  { label: "offline model, at once", env: { ENSEMBLE_OFFLINE_TOKEN_DELAY_MS: "0" } },
] as const;

/** The result as Markdown. */
export async function benchTurn(): Promise<string> {
  const rows: string[][] = [];
  for (const { label, env } of MODELS) {
    const samples = await onOwnStack({
      ...process.env,
      HOTEL_BOOKINGS_PER_HOUR: "1000",
      ...env,
    });
    rows.push(
      row(
        `request → approval card; ${label}`,
        samples.map(({ toApprovalMs }) => toApprovalMs),
      ),
      row(
        `approve → confirmation; ${label}`,
        samples.map((one) => one.toConfirmationMs),
      ),
    );
  }
  return table(["One governed turn", "p50", "p99", "n"], rows);
}

async function onOwnStack(env: NodeJS.ProcessEnv): Promise<readonly Sample[]> {
  const dataDir = mkdtempSync(join(tmpdir(), "concert-bench-"));
  const services = SERVICE_NAMES.filter((name) => name !== "console");
  const stack = await startStack({ dataDir, ports: "free", services, env });
  try {
    return await measure(stack);
  } finally {
    await stack.stop();
    rmSync(dataDir, { recursive: true });
  }
}

async function measure({ urls }: Stack): Promise<readonly Sample[]> {
  const client = new DiminuendoClient({ url: `${urls.diminuendo.replace(/^http/, "ws")}/ws` });
  await client.connect();
  const samples: Sample[] = [];
  for (let index = 0; index < WARM_UP_TURNS + TURNS; index += 1) {
    samples.push(await turn(client, index));
    await Bun.sleep(PAUSE_MS);
  }
  client.disconnect();
  return samples.slice(WARM_UP_TURNS);
}

async function turn(client: DiminuendoClient, index: number): Promise<Sample> {
  const { sessionId } = await client.createSession({ agentType: "concierge" });
  await client.joinSession(sessionId);
  const asked = next(client, sessionId, "permission_requested");
  const sentMs = performance.now();
  await client.runTurn(sessionId, requestFor(index));
  const { requestId } = await asked;
  const approvalMs = performance.now();
  const done = next(client, sessionId, "turn_complete");
  await client.answerQuestion(sessionId, requestId, { decision: "approved" });
  const { status } = await done;
  if (status !== "succeeded") throw new Error(`turn ${index} ended ${status}`);
  const sample = {
    toApprovalMs: approvalMs - sentMs,
    toConfirmationMs: performance.now() - approvalMs,
  };
  await client.leaveSession(sessionId);
  return sample;
}

/** A stay of its own for each turn: the hotel has real stock. */
function requestFor(index: number): string {
  const day = (offset: number) =>
    new Date(FIRST_STAY + (index * STAY_DAYS + offset) * DAY_MS).toISOString().slice(0, 10);
  return `Book the Grand Hotel Miramar in Lisbon from ${day(0)} to ${day(STAY_DAYS)} for 2 guests`;
}

function next<T extends SessionEvent["type"]>(
  client: DiminuendoClient,
  sessionId: string,
  type: T,
) {
  type Wanted = Extract<SessionEvent, { readonly type: T }>;
  return new Promise<Wanted>((resolve, reject) => {
    const stop = client.on("event", (event) => {
      if (event.sessionId !== sessionId) return;
      if (event.type !== type && event.type !== "turn_error" && event.type !== "turn_complete")
        return;
      stop();
      if (event.type === type) resolve(event as Wanted);
      else reject(new Error(`the turn ended without ${type}: ${JSON.stringify(event)}`));
    });
  });
}

function row(label: string, values: readonly number[]): string[] {
  const [middle, worst] = [quantile(values, 0.5), quantile(values, 0.99)];
  return [label, milliseconds(middle), milliseconds(worst), String(values.length)];
}
