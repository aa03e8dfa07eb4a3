/**
 * Owns what contract tests share: one real node for a test file, a plain HTTP call, a namespace of its own
 * for each test.
 */
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Node, startNode } from "./process.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}
interface CallOptions {
  readonly key?: string | null;
  /** Send the body text as it is. */
  readonly raw?: boolean;
}

/** Starts a node before the file's tests and ends it after them. */
export class Fixture {
  #folder = "";
  #node: Node | null = null;
  #spaces = 0;

  constructor() {
    beforeAll(async () => {
      this.#folder = mkdtempSync(join(tmpdir(), "concordance-"));
      this.#node = await startNode(this.#folder, "--bootstrap", "--node-id=n1");
    });
    afterAll(async () => {
      await this.#node?.end("SIGTERM");
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  get url(): string {
    if (this.#node === null) throw new Error("the node starts before the tests");
    return this.#node.url;
  }
  get folder(): string {
    return this.#folder;
  }

  space(): string {
    this.#spaces += 1;
    return `tenant:t${this.#spaces}/settings`;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    { key = "dev", raw = false }: CallOptions = {},
  ): Promise<Answer> {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const payload = body === undefined ? {} : { body: raw ? String(body) : JSON.stringify(body) };
    const response = await fetch(this.url + path, { method, headers, ...payload });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}

export const pathOf = (namespace: string, key: string) =>
  `/api/v1/kv/${encodeURIComponent(namespace)}/${encodeURIComponent(key)}`;

/** What a refusal looks like, for `toMatchObject`. */
export const refusal = (status: number, code: string) => ({ status, body: { error: { code } } });
