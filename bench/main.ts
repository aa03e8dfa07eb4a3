/** `npm run bench -- <name> [options]`: runs one benchmark and prints its result as a Markdown table. */

import { benchConcord } from "./concord/index.ts";
import { benchConcordance } from "./concordance/index.ts";
import { benchGateway } from "./gateway/index.ts";
import { benchIdleWatchers } from "./idle-watchers.ts";
import { benchStart } from "./start.ts";
import { benchTurn } from "./turn.ts";

const BENCHES: Readonly<Record<string, (args: readonly string[]) => Promise<string>>> = {
  turn: benchTurn,
  start: benchStart,
  concord: benchConcord,
  concordance: benchConcordance,
  gateway: benchGateway,
  "idle-watchers": benchIdleWatchers,
};

const [name = "", ...args] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  process.stderr.write(`bench: choose one of ${Object.keys(BENCHES).join(", ")}\n`);
  process.exit(2);
}
process.stdout.write(`${await bench(args)}\n`);
process.exit(0);
