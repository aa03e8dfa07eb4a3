/**
 * A process that writes one file again and again, telling each iteration on standard output once it is committed: for
 * being killed. Arguments: the data directory.
 */
import { Store } from "../../src/store/store.ts";

/** What iteration `n` holds: long enough for many pages, and no two alike. */
export const contentOf = (n: number): string => `${n}\n`.repeat(20_000 + n);

if (import.meta.main) {
  const store = Store.open(process.argv[2] ?? "", () => new Date().toISOString());
  const owner = { instanceId: "i0", tenantId: "acme" };
  const encoder = new TextEncoder();
  for (let n = store.workspaces.head("i0") + 1; ; n += 1) {
    store.write(() => store.workspaces.write(owner, "log.txt", encoder.encode(contentOf(n)), n));
    await Bun.write(Bun.stdout, `${n}\n`);
  }
}
