/**
 * Frames of any kind at `/ws`, from a seed: whatever comes, every answer is one of the protocol, nothing fails inside, the
 * process lives on and its memory stays. Long: `FUZZ_FRAMES=1000000 bun test test/edges-fuzz.test.ts`, which also tells
 * the memory after each twentieth.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { Frames, sampled } from "./support/frames.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { randomOf } from "./support/random.ts";
import { TestClient } from "./support/test-client.ts";

const FRAMES = Number(process.env["FUZZ_FRAMES"] ?? 6_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);
setDefaultTimeout(120_000 + FRAMES * 5);

/** A connection is let say so much; with its sign-in and its ping it stays below the limit of 60. */
const FRAMES_EACH = 50;
const AT_ONCE = 8;
const STEPS = 20;
const SESSIONS_KNOWN = 50;
const RSS_BYTES_MAX = 600_000_000;

const WHO = [TOKENS.ann, TOKENS.bob, TOKENS.viewer, TOKENS.eve, null];

interface Seen {
  readonly codes: Map<string, number>;
  readonly unreadable: string[];
  answers: number;
}

test(`${FRAMES} frames of any kind: no crash, no inner failure, memory flat (seed ${SEED})`, async () => {
  const world = new World();
  world.podium.files = new Map([["a.txt", "text"]]);
  // Each connection has an address of its own, so that failed sign-ins of one do not close the others.
  const gateway = await world.start("--trust-proxy");
  const random = randomOf(SEED);
  const frames = new Frames(await sampled(SEED, 2_000), random);
  const seen: Seen = { codes: new Map(), unreadable: [], answers: 0 };
  const rss: number[] = [await rssOf(gateway)];
  tell(`before: ${rss[0]} bytes`);
  const each = Math.ceil(FRAMES / STEPS / FRAMES_EACH);
  for (let step = 0; step < STEPS; step += 1) {
    for (let done = 0; done < each; done += AT_ONCE) {
      const many = Math.min(AT_ONCE, each - done);
      await Promise.all(
        Array.from({ length: many }, () => oneConnection(gateway, frames, random, seen)),
      );
    }
    rss.push(await rssOf(gateway));
    tell(`after ${(step + 1) * each * FRAMES_EACH} frames: ${rss.at(-1)} bytes`);
  }
  tell(JSON.stringify({ answers: seen.answers, codes: Object.fromEntries(seen.codes) }));
  expect(seen.unreadable).toEqual([]);
  expect(seen.codes.get("InternalError") ?? 0).toBe(0);
  // The fuzz reached what it is meant to reach, and the gateway it talked to is the one that was started.
  expect(seen.answers).toBeGreaterThan(FRAMES / 4);
  expect(seen.codes.get("INVALID_MESSAGE")).toBeGreaterThan(0);
  expect(Math.max(...rss)).toBeLessThan(RSS_BYTES_MAX);
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  await ann.ask({ type: "run_turn", sessionId, text: "hi" });
  await ann.untilType("turn_complete");
  ann.close();
  expect(await gateway.terminate()).toBe(0);
  await world.stop();
});

/** A long run is watched. */
function tell(line: string): void {
  if (FRAMES > 10_000) process.stderr.write(`${line}\n`);
}

async function oneConnection(
  gateway: GatewayProcess,
  frames: Frames,
  random: (below: number) => number,
  seen: Seen,
): Promise<void> {
  const address = `10.${random(256)}.${random(256)}.${random(256)}`;
  const client = await TestClient.connect(gateway.port, { "x-forwarded-for": address });
  const token = WHO[random(WHO.length)] ?? null;
  if (token !== null) await client.ask({ type: "authenticate", token });
  for (let count = 0; count < FRAMES_EACH; count += 1) client.socket.send(frames.next());
  const ping = { type: "ping", requestId: "the last" } as const;
  client.send(ping);
  const isLast = (event: object) => "requestId" in event && event.requestId === ping.requestId;
  await client.until(() => client.closeCode !== null || client.events.some(isLast));
  for (const event of client.events) {
    if ("requestId" in event || event.type === "error") seen.answers += 1;
    if (event.type === "error") {
      seen.codes.set(event.code, (seen.codes.get(event.code) ?? 0) + 1);
    }
    // The newest are known: what was made earlier may have been deleted by a frame.
    if (event.type === "session_created") frames.known.unshift(event.session.sessionId);
    frames.known.length = Math.min(frames.known.length, SESSIONS_KNOWN);
  }
  seen.answers += client.configFrames.length;
  seen.unreadable.push(...client.unreadable);
  client.close();
}

async function rssOf(gateway: GatewayProcess): Promise<number> {
  const health = await fetch(`${gateway.url}/api/health`);
  return ((await health.json()) as { instance: { rssBytes: number } }).instance.rssBytes;
}
