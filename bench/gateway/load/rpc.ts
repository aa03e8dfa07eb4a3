/** Owns questions from the harness to its load processes, each a process of its own, and their answers (Bun's IPC). */

/** What a load process can be asked, by name. */
// biome-ignore lint/suspicious/noExplicitAny: each function says what it takes; the caller is held to it by `ask`.
export type Api = Readonly<Record<string, (params: any) => unknown>>;
type ParamsOf<A extends Api, K extends keyof A> = Parameters<A[K]>[0];
type ValueOf<A extends Api, K extends keyof A> = Awaited<ReturnType<A[K]>>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly params: unknown;
}
type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

/** Answers the parent's questions until it goes away. */
export function answerParent(api: Api): void {
  process.on("message", async ({ id, name, params }: Question) => {
    try {
      process.send?.({ id, value: (await api[name]?.(params)) ?? null });
    } catch (error) {
      process.send?.({ id, error: `${name}: ${String(error)}` });
    }
  });
  process.on("disconnect", () => process.exit(0));
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A load process as the harness sees it. */
export class Helper<A extends Api> {
  readonly #child: Bun.Subprocess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(script: string, ...args: readonly string[]) {
    this.#child = Bun.spawn(
      [process.execPath, new URL(script, import.meta.url).pathname, ...args],
      {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "inherit",
        ipc: (reply) => this.#answered(reply as Reply),
        onExit: (_, code, signal) => this.#ended(`${script} ended with ${code ?? signal}`),
      },
    );
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Throws when the process fails at it, dies, or takes longer than `timeoutMs`. */
  ask<K extends keyof A & string>(
    name: K,
    params: ParamsOf<A, K>,
    timeoutMs = 120_000,
  ): Promise<ValueOf<A, K>> {
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${name} took longer than ${timeoutMs} ms`));
      }, timeoutMs);
      const done =
        <T>(use: (value: T) => void) =>
        (value: T) => {
          clearTimeout(late);
          use(value);
        };
      this.#waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      this.#child.send({ id, name, params } satisfies Question);
    }) as Promise<ValueOf<A, K>>;
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  #answered(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.value);
  }

  #ended(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
