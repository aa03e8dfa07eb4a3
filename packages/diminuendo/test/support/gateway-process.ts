/** The real gateway as a process of its own, so that tests can kill it the way the world does. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONCORD_KEY, TestConcord } from "./test-concord.ts";
import { CONCORDANCE_KEY, TestConcordance } from "./test-concordance.ts";
import { INTERNAL_SECRET, PODIUM_KEY, TestPodium } from "./test-podium.ts";
import { WEBHOOK_SECRET } from "./webhook-receiver.ts";

export const TOKENS = {
  ann: "token-ann-0001",
  bob: "token-bob-0001",
  eve: "token-eve-0001",
  viewer: "token-vic-0001",
} as const;
const API_KEYS = [
  `${TOKENS.ann}=acme:ann:ann@acme.test:owner|finance_approvers:book_travel`,
  `${TOKENS.bob}=acme:bob:bob@acme.test:member:`,
  `${TOKENS.eve}=globex:eve:eve@globex.test:owner|finance_approvers:`,
  `${TOKENS.viewer}=acme:vic:vic@acme.test:viewer:`,
].join(",");

/** Podium, Concord and Concordance for one test file, wired as Podium hears of decisions through Concord. */
export class World {
  readonly podium = new TestPodium();
  readonly concord = new TestConcord();
  readonly concordance = new TestConcordance();
  readonly dataDir = mkdtempSync(join(tmpdir(), "diminuendo-test-"));
  readonly #gateways: GatewayProcess[] = [];
  /** Each gateway gets a folder of its own, as on a machine of its own. */
  isSpread = false;
  /** Instead of the small Concordance, where a test wants the real one. */
  concordanceUrl = this.concordance.url;

  constructor() {
    this.podium.onApprovalWanted = (approvalId, commandId, tenant) =>
      this.concord.open(approvalId, commandId, tenant);
    this.concord.onResolved = ({ approvalId, decision }, actor) =>
      this.podium.resolved(approvalId.replace("appr_", ""), approvalId, decision ?? "", actor.user);
    this.podium.onQuestion = (requestId, commandId, tenant) =>
      this.concord.questions.set(commandId, { requestId, tenant, outcome: null });
    this.concord.onAnswered = ({ requestId, outcome }, actor) =>
      this.podium.questionOver(requestId.replace("inp_", ""), outcome ?? "", actor.user);
  }

  async start(...flags: string[]): Promise<GatewayProcess> {
    const folder = this.isSpread
      ? join(this.dataDir, `machine-${this.#gateways.length}`)
      : this.dataDir;
    const gateway = await GatewayProcess.start(this, folder, flags);
    this.#gateways.push(gateway);
    return gateway;
  }

  async stop(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.kill();
    await Promise.all([this.podium.stop(), this.concord.stop(), this.concordance.stop()]);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

export class GatewayProcess {
  readonly port: number;
  readonly #process: Bun.Subprocess<"pipe", "ignore", "pipe">;

  private constructor(process: Bun.Subprocess<"pipe", "ignore", "pipe">, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async start(
    world: World,
    dataDir: string,
    flags: readonly string[],
  ): Promise<GatewayProcess> {
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const child = Bun.spawn(
      [
        process.execPath,
        main,
        "--listen=127.0.0.1:0",
        `--data-dir=${dataDir}`,
        `--podium-url=${world.podium.url}`,
        `--concord-url=${world.concord.url}`,
        `--concordance-url=${world.concordanceUrl}`,
        `--ensemble-url=${world.concord.url}`,
        ...flags,
      ],
      {
        // Supervised: it ends with our end of the pipe, so that a failed test leaves no gateway behind.
        stdin: "pipe",
        stdout: "ignore",
        stderr: "pipe",
        env: {
          PATH: process.env["PATH"] ?? "",
          CONCERT_SUPERVISED: "1",
          LOG_LEVEL: process.env["TEST_LOG_LEVEL"] ?? "info",
          DIMINUENDO_API_KEYS: API_KEYS,
          PODIUM_API_KEY: PODIUM_KEY,
          CONCORD_SERVICE_KEY: CONCORD_KEY,
          CONCORDANCE_API_KEY: CONCORDANCE_KEY,
          CONCERT_INTERNAL_SECRET: INTERNAL_SECRET,
          DIMINUENDO_WEBHOOK_ACME__TEST: WEBHOOK_SECRET,
        },
      },
    );
    return new GatewayProcess(child, await portOf(child.stderr));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** SIGKILL: nothing is said, nothing is flushed. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  /** Sleeps, as under a machine that is starved, or wakes. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  async terminate(): Promise<number> {
    this.#process.kill("SIGTERM");
    return this.#process.exited;
  }
}

/** Reads the log until the line that names the port, then keeps it flowing; the rest goes to our stderr if asked. */
async function portOf(stderr: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stderr.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the gateway ended before it listened:\n${text}`);
    text += decoder.decode(value);
    const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port === undefined) continue;
    void drain(() => reader.read());
    return Number(port);
  }
}

async function drain(
  next: () => Promise<{ value?: Uint8Array | undefined; done: boolean }>,
): Promise<void> {
  for (;;) {
    const { value, done } = await next();
    if (done || value === undefined) return;
    if (process.env["TEST_SHOW_LOG"] === "1") process.stderr.write(value);
  }
}
