/** Starts and restarts the OpenID provider process, rotates its keys, and gets tokens from it as a client does. */
import { exportJWK, generateKeyPair } from "jose";

export interface Person {
  readonly id: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly ttlSeconds: number;
}
export const AUDIENCE = "https://concert.test";

export class TestOidc {
  readonly port: number;
  readonly #people: readonly Person[];
  #process: Bun.Subprocess<"ignore", "pipe", "inherit"> | null = null;
  #keyCount = 0;

  constructor(people: readonly Person[]) {
    const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    this.port = probe.port ?? 0;
    void probe.stop(true);
    this.#people = people;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** With a new signing key each time: the old one is not published any more. */
  async start(): Promise<void> {
    await this.stop();
    this.#keyCount += 1;
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), kid: `key-${this.#keyCount}`, use: "sig" };
    const config = JSON.stringify({ jwks: { keys: [jwk] }, people: this.#people });
    const script = new URL("./oidc-provider-process.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, script, String(this.port), config], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#process = child;
    await child.stdout.getReader().read();
  }

  async stop(): Promise<void> {
    this.#process?.kill();
    await this.#process?.exited;
    this.#process = null;
  }

  /** An access token of `person`, as the provider signs it. */
  async token(person: string): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${person}:${person}-secret`)}` },
      body: new URLSearchParams({ grant_type: "client_credentials", resource: AUDIENCE }),
    });
    const answer = (await response.json()) as { access_token?: string };
    if (answer.access_token === undefined) throw new Error(JSON.stringify(answer));
    return answer.access_token;
  }
}
