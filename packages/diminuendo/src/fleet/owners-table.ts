/**
 * Owns the table of who writes for which tenant, as it lies in Concordance: gateways with a time to live, tenants with the
 * gateway that has them. A row is only ever changed by comparing its version, so that two never take the same tenant
 * from the same state. Refuses to own: what owning means (Owners.ts), and safety: that is the claim's (db/claims.ts).
 */
import { type ConcordanceClient, ConcordanceError } from "@concert/concordance";
import * as Option from "effect/Option";
import * as Schema from "effect/Schema";

export interface TenantRow {
  readonly gatewayId: string;
  readonly version: number;
}
export interface Table {
  /** Gateways that have given a sign of life, and where they are reached. */
  readonly alive: ReadonlyMap<string, string>;
  readonly tenants: ReadonlyMap<string, TenantRow>;
}
export const EMPTY_TABLE: Table = { alive: new Map(), tenants: new Map() };

const Alive = Schema.Struct({ url: Schema.String });
const Row = Schema.Struct({ gatewayId: Schema.String });
const readAlive = Schema.decodeUnknownOption(Alive);
const readRow = Schema.decodeUnknownOption(Row);

export class OwnersTable {
  readonly #concordance: ConcordanceClient;
  readonly #gateways: string;
  readonly #tenants: string;
  readonly #gatewayId: string;
  readonly #writer: { readonly actor: string };

  constructor(concordance: ConcordanceClient, channel: string, gatewayId: string) {
    this.#concordance = concordance;
    this.#gateways = `gateways/${channel}/alive`;
    this.#tenants = `gateways/${channel}/tenants`;
    this.#gatewayId = gatewayId;
    this.#writer = { actor: `gateway:${gatewayId}` };
  }

  /** We live, for `ttlMs` more. */
  async announce(url: string, ttlMs: number): Promise<void> {
    await this.#concordance.set(
      this.#gateways,
      this.#gatewayId,
      { url },
      { ttlMs, ...this.#writer },
    );
  }

  async withdraw(): Promise<void> {
    await this.#concordance.delete(this.#gateways, this.#gatewayId, this.#writer);
  }

  /** As of now: nothing that was acknowledged before is missing. */
  async read(): Promise<Table> {
    const newest = { consistency: "linearizable" } as const;
    // Tenants first: whoever has one was alive before it took it.
    const tenants = await this.#concordance.list(this.#tenants, newest);
    const gateways = await this.#concordance.list(this.#gateways, newest);
    return {
      alive: new Map(
        gateways.items.flatMap(({ key, value }) =>
          entryOf(
            key,
            Option.map(readAlive(value), ({ url }) => url),
          ),
        ),
      ),
      tenants: new Map(
        tenants.items.flatMap(({ key, value, version }) =>
          entryOf(
            key,
            Option.map(readRow(value), (row) => ({ ...row, version })),
          ),
        ),
      ),
    };
  }

  /** Takes the tenant if its row is still of `version` (0: there is none); null if somebody else was faster. */
  async take(tenantId: string, version: number): Promise<number | null> {
    try {
      const value = { gatewayId: this.#gatewayId };
      const written = await this.#concordance.set(this.#tenants, tenantId, value, {
        cas: version,
        ...this.#writer,
      });
      return written.version;
    } catch (error) {
      if (error instanceof ConcordanceError && error.code === "cas_conflict") return null;
      throw error;
    }
  }
}

const entryOf = <T>(key: string, value: Option.Option<T>): readonly (readonly [string, T])[] =>
  Option.match(value, { onNone: () => [], onSome: (known) => [[key, known]] });
