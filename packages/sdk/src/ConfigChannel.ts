/**
 * Owns `config/*`: JSON-RPC 2.0 frames beside the typed messages, and subscriptions that outlive sockets.
 * Source: docs/protocol.md, "config/*".
 */
import { GatewayError } from "./errors.ts";
import type { PendingRequests } from "./PendingRequests.ts";
import type { ConfigFrame, ConfigRequest, ConfigScope, ConfigUpdate } from "./protocol.ts";

export interface ConfigEntry {
  readonly value: unknown;
  /** Grows with every change of the key; 0 when the key does not exist. */
  readonly version: number;
}

export type ConfigOperation = ConfigScope &
  (
    | { readonly op: "set"; readonly key: string; readonly value: unknown }
    | { readonly op: "delete"; readonly key: string }
  );

export type ConfigListener = (update: ConfigUpdate["params"]) => void;

type Params = Readonly<Record<string, unknown>>;

export class ConfigChannel {
  readonly #requests: PendingRequests;
  readonly #timeoutMs: number;
  readonly #onEnded: (why: GatewayError) => void;
  readonly #listeners = new Map<string, { scope: ConfigScope; each: Set<ConfigListener> }>();
  #requestCount = 0;

  /** `onEnded` hears why a subscription is no more. */
  constructor(requests: PendingRequests, timeoutMs: number, onEnded: (why: GatewayError) => void) {
    this.#requests = requests;
    this.#timeoutMs = timeoutMs;
    this.#onEnded = onEnded;
  }

  /** The value of `key` in `scope`. Fails with `ConfigFailed`. */
  async get(scope: ConfigScope, key: string): Promise<ConfigEntry> {
    const result = await this.#call("config/get", { ...scope, key }, true);
    return { value: result["value"] ?? null, version: Number(result["version"] ?? 0) };
  }

  /** Writes and returns the new version. Not repeated after a lost connection: it could undo a later write. */
  async set(scope: ConfigScope, key: string, value: unknown): Promise<{ version: number }> {
    const result = await this.#call("config/set", { ...scope, key, value }, false);
    return { version: Number(result["version"] ?? 0) };
  }

  /** Whether there was such a key. Not repeated after a lost connection. */
  async delete(scope: ConfigScope, key: string): Promise<{ deleted: boolean }> {
    const result = await this.#call("config/delete", { ...scope, key }, false);
    return { deleted: result["deleted"] === true };
  }

  /** Every entry of the scope, or those whose key begins with `prefix`. */
  async list(
    scope: ConfigScope,
    prefix?: string,
  ): Promise<readonly (ConfigEntry & { readonly key: string })[]> {
    const params = prefix === undefined ? { ...scope } : { ...scope, prefix };
    const { items } = await this.#call("config/list", params, true);
    return Array.isArray(items) ? items : [];
  }

  /** All operations or none, of one scope or several. The version each left; not repeated. */
  async batch(operations: readonly ConfigOperation[]): Promise<readonly number[]> {
    const { versions } = await this.#call("config/batch", { operations }, false);
    return Array.isArray(versions) ? versions : [];
  }

  /** Calls `listener` on every change in `scope`, also after reconnects. Returns how to stop. */
  async subscribe(scope: ConfigScope, listener: ConfigListener): Promise<() => void> {
    const name = scopeName(scope);
    const known = this.#listeners.get(name) ?? { scope, each: new Set<ConfigListener>() };
    this.#listeners.set(name, known);
    known.each.add(listener);
    const stop = () => this.#unsubscribe(name, listener);
    if (known.each.size > 1) return stop;
    try {
      await this.#call("config/subscribe", { ...scope }, true);
      return stop;
    } catch (error) {
      this.#drop(name, listener);
      throw error;
    }
  }

  /** A new connection knows no subscriptions. */
  resubscribe(): void {
    for (const [name, { scope, each }] of this.#listeners) {
      this.#call("config/subscribe", { ...scope }, true).catch((error: unknown) => {
        // Superseded by the next reconnect, which asks again; any other refusal ends the subscription.
        if (error instanceof GatewayError && error.code === "ConfigFailed") {
          for (const listener of each) this.#drop(name, listener);
          const what = `Changes of ${name} are no longer told: ${error.message}`;
          this.#onEnded(new GatewayError(error.code, what));
        }
      });
    }
  }

  receive(frame: ConfigFrame): void {
    if ("method" in frame) {
      for (const { scope, each } of this.#listeners.values()) {
        if (scopeName(frame.params) !== scopeName(scope)) continue;
        for (const listener of each) listener(frame.params);
      }
    } else if ("error" in frame) {
      this.#requests.reject(
        String(frame.id),
        new GatewayError("ConfigFailed", `${frame.error.message} (${frame.error.code})`),
      );
    } else this.#requests.resolve(String(frame.id), frame.result);
  }

  #unsubscribe(name: string, listener: ConfigListener): void {
    const scope = this.#listeners.get(name)?.scope;
    if (scope === undefined || !this.#drop(name, listener)) return;
    // Nobody listens any more, so an answer that fails has nobody to tell.
    this.#call("config/unsubscribe", { ...scope }, false).catch(() => {});
  }

  /** Whether that was the last listener of the scope. */
  #drop(name: string, listener: ConfigListener): boolean {
    const known = this.#listeners.get(name);
    if (known === undefined || !known.each.delete(listener) || known.each.size > 0) return false;
    return this.#listeners.delete(name);
  }

  async #call(
    method: ConfigRequest["method"],
    params: Params,
    repeatable: boolean,
  ): Promise<Params> {
    this.#requestCount += 1;
    const id = `config-${this.#requestCount}`;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const request = { key: id, text, repeatable, timeoutMs: this.#timeoutMs };
    return ((await this.#requests.start(request)) ?? {}) as Params;
  }
}

function scopeName(scope: ConfigScope): string {
  switch (scope.scope) {
    case "session":
      return `session:${scope.sessionId}`;
    case "project":
      return `project:${scope.projectId}`;
    case "device":
      return `device:${scope.deviceId}`;
    default:
      return scope.scope;
  }
}
