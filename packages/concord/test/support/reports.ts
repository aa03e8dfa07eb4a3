/** Owns the world of the example reports (a warehouse that may only be read, a site), and what both tests ask of it. */

export const REPORTS = new URL("../../../../examples/reports/", import.meta.url);

export interface Reports {
  /** What the contracts read from the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** How often something was published under a key. */
  published(key: string): number;
  stop(): Promise<void>;
}

interface World {
  readonly published: readonly { readonly key: string }[];
  stop(): Promise<void>;
}

const NAMES = ["REPORTS_WAREHOUSE_URL", "REPORTS_SITE", "REPORTS_SITE_KEY"];

export async function startReports(databaseUrl: string): Promise<Reports> {
  const { startWorld } = (await import(new URL("world.ts", REPORTS).href)) as {
    startWorld: (databaseUrl: string) => Promise<World>;
  };
  const world = await startWorld(databaseUrl);
  return {
    env: Object.fromEntries(NAMES.map((name) => [name, process.env[name] ?? ""])),
    published: (key) => world.published.filter((one) => one.key === key).length,
    stop: world.stop,
  };
}

/** Another report for each round: `generate_report` recognises one that was made already. */
export function reportOf(round: number) {
  const from = daysLater("2026-05-01", round % 20);
  return {
    report_type: "customers",
    from,
    to: daysLater(from, Math.floor(round / 20)),
  } as const;
}

function daysLater(date: string, days: number): string {
  const dayMs = 86_400_000;
  return new Date(Date.parse(date) + days * dayMs).toISOString().slice(0, date.length);
}
