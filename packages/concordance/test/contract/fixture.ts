/**
 * Owns what contract tests share: one real deployment of an engine for a group of tests, a plain HTTP call, a
 * namespace of its own for each test. `contract` runs a group against every engine.
 */
import { afterAll, beforeAll, describe } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConcordanceClient } from "../../shared/client.ts";
import { type Deployment, ENGINES, type EngineKind } from "./engines.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}
interface CallOptions {
  readonly key?: string | null;
  /** Send the body text as it is. */
  readonly raw?: boolean;
}

const START_TIMEOUT_MS = 60_000;
const TRIES_MAX = 500;
const RETRY_MS = 20;

/** The tests of `body` over each engine in turn. An engine this machine cannot run is named and skipped. */
export function contract(name: string, body: (node: Fixture) => void): void {
  for (const engine of ENGINES) {
    const title = `${name} [${engine.name}]`;
    const required = process.env["CI_REQUIRE_ALL"] === "1";
    if (engine.lacks !== null) process.stderr.write(`${title}: ${engine.lacks}\n`);
    describe.skipIf(engine.lacks !== null && !required)(title, () => body(new Fixture(engine)));
  }
}

/** Starts a deployment before the group's tests and ends it after them. */
export class Fixture {
  #folder = "";
  #deployment: Deployment | null = null;
  #asked = 0;
  #spaces = 0;

  constructor(engine: EngineKind) {
    beforeAll(async () => {
      if (engine.lacks !== null) throw new Error(engine.lacks);
      this.#folder = mkdtempSync(join(tmpdir(), "concordance-"));
      this.#deployment = await engine.start(this.#folder);
    }, START_TIMEOUT_MS);
    afterAll(async () => {
      await this.end();
      if (this.#folder !== "") rmSync(this.#folder, { recursive: true, force: true });
    }, START_TIMEOUT_MS);
  }

  /** Ends the deployment; once is enough. */
  async end(): Promise<void> {
    const deployment = this.#deployment;
    this.#deployment = null;
    await deployment?.end();
  }

  /** An address of the deployment; where it has several, another one each time. */
  get url(): string {
    const urls = this.#deployment?.urls ?? [];
    this.#asked += 1;
    const url = urls[this.#asked % urls.length];
    if (url === undefined) throw new Error("the deployment starts before the tests");
    return url;
  }

  client(): ConcordanceClient {
    const url = this.#deployment?.urls ?? [];
    return new ConcordanceClient({ url, apiKey: "dev", retryForMs: 20_000 });
  }

  /** Everything the deployment has on disk, as text. */
  async bytesOnDisk(): Promise<string> {
    const files = readdirSync(this.#folder, { recursive: true, withFileTypes: true });
    const paths = files.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
    const texts = await Promise.all(paths.map((path) => Bun.file(path).text()));
    return texts.join("\n");
  }

  space(): string {
    this.#spaces += 1;
    return `tenant:t${this.#spaces}/settings`;
  }

  /** Follows redirects to a leader, and asks again while there is none: then nothing was done. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    { key = "dev", raw = false }: CallOptions = {},
  ): Promise<Answer> {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const payload = body === undefined ? {} : { body: raw ? String(body) : JSON.stringify(body) };
    const init = { method, headers, redirect: "manual", ...payload } as const;
    let url = this.url + path;
    for (let attempt = 0; ; attempt += 1) {
      const response = await fetch(url, init);
      const answer = (await response.json()) as Record<string, unknown>;
      const { code } = (answer["error"] ?? {}) as { readonly code?: string };
      const passing = code === "no_leader" || code === "not_leader";
      if (!passing || attempt >= TRIES_MAX) return { status: response.status, body: answer };
      if (code === "no_leader") await Bun.sleep(RETRY_MS);
      url = response.headers.get("location") ?? url;
    }
  }
}

export const pathOf = (namespace: string, key: string) =>
  `/api/v1/kv/${encodeURIComponent(namespace)}/${encodeURIComponent(key)}`;

/** What a refusal looks like, for `toMatchObject`. */
export const refusal = (status: number, code: string) => ({ status, body: { error: { code } } });
