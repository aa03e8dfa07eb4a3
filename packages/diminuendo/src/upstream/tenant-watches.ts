/**
 * Owns which namespaces of Concordance the gateway follows: one watch per tenant serves every client of that
 * tenant, and only what somebody asked for is told. Reconnecting and resuming are `@concert/concordance`'s.
 * Refuses to own: who listens (session/messages/config-messages.ts).
 */
import type { ConcordanceClient, Watch, WatchStatus } from "@concert/concordance";

export interface ConfigChange {
  readonly namespace: string;
  readonly key: string;
  /** Null, with version 0, after a delete. */
  readonly value: unknown;
  readonly version: number;
}
export type Concordance = Pick<ConcordanceClient, "list" | "watch">;

export interface WatchListener {
  /** In order, once a change; a change may be told again after Concordance forgot our place in its history. */
  readonly onChange: (change: ConfigChange) => void;
  /** A sentence for the log. */
  readonly onTrouble: (sentence: string) => void;
}

export class TenantWatches {
  readonly #concordance: Concordance;
  readonly #listener: WatchListener;
  readonly #tenants = new Map<string, TenantWatch>();

  constructor(concordance: Concordance, listener: WatchListener) {
    this.#concordance = concordance;
    this.#listener = listener;
  }

  /**
   * Resolves once no later change of `namespace` can be missed. If Concordance cannot be asked, that is so from
   * the moment it answers again. Never rejects.
   */
  add(namespace: string): Promise<void> {
    const tenant = tenantOf(namespace);
    const known = this.#tenants.get(tenant);
    const watch = known ?? new TenantWatch(tenant, this.#concordance, this.#listener);
    this.#tenants.set(tenant, watch);
    watch.namespaces.add(namespace);
    return watch.begun;
  }

  remove(namespace: string): void {
    const tenant = tenantOf(namespace);
    const watch = this.#tenants.get(tenant);
    if (watch === undefined || !watch.namespaces.delete(namespace)) return;
    if (watch.namespaces.size > 0) return;
    this.#tenants.delete(tenant);
    watch.close();
  }

  close(): void {
    for (const watch of this.#tenants.values()) watch.close();
    this.#tenants.clear();
  }
}

class TenantWatch {
  readonly namespaces = new Set<string>();
  readonly begun: Promise<void>;
  readonly #tenant: string;
  readonly #concordance: Concordance;
  readonly #listener: WatchListener;
  #watch: Watch | undefined;
  #closed = false;

  constructor(tenant: string, concordance: Concordance, listener: WatchListener) {
    this.#tenant = tenant;
    this.#concordance = concordance;
    this.#listener = listener;
    this.begun = this.#begin();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  async #begin(): Promise<void> {
    const fromRevision = await this.#revision().catch((error: unknown) => {
      this.#listener.onTrouble(`no place to watch ${this.#tenant} from: ${String(error)}`);
      return undefined;
    });
    if (this.#closed) return;
    this.#watch = this.#concordance.watch(this.#tenant, {
      ...(fromRevision === undefined ? {} : { fromRevision }),
      onChange: ({ op, namespace, key, value, version }) =>
        this.#tell({ namespace, key, value, version: op === "delete" ? 0 : version }),
      onReset: () => this.#tellAnew(),
      onStatus: (status) => this.#heed(status),
    });
  }

  /** Nothing is kept directly under the tenant, so this reads no values. */
  async #revision(): Promise<number> {
    return (await this.#concordance.list(this.#tenant)).revision;
  }

  /** The place to go on from is taken first: a change during the reading is told twice, never missed. */
  async #tellAnew(): Promise<number> {
    const revision = await this.#revision();
    for (const namespace of [...this.namespaces]) {
      const { items } = await this.#concordance.list(namespace);
      for (const { key, value, version } of items) {
        this.#tell({ namespace, key, value, version });
      }
    }
    return revision;
  }

  /** The watch covers the whole tenant. A listener that fails must not end it for the others. */
  #tell(change: ConfigChange): void {
    if (!this.namespaces.has(change.namespace)) return;
    try {
      this.#listener.onChange(change);
    } catch (error) {
      this.#listener.onTrouble(`a change of ${change.namespace} could not be told: ${error}`);
    }
  }

  #heed(status: WatchStatus): void {
    if (status.kind === "live" || this.#closed) return;
    this.#listener.onTrouble(`watch of ${this.#tenant} ${status.kind}: ${status.reason}`);
  }
}

/** The first part of a namespace, e.g. `tenant:acme`. */
function tenantOf(namespace: string): string {
  const [tenant = namespace] = namespace.split("/");
  return tenant;
}
