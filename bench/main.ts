/** `npm run bench -- turn|start`: runs one benchmark and prints its result as a Markdown table. */
import { benchStart } from "./start.ts";
import { benchTurn } from "./turn.ts";

const BENCHES: Readonly<Record<string, () => Promise<string>>> = {
  turn: benchTurn,
  start: benchStart,
};

const [name = ""] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  process.stderr.write(`bench: choose one of ${Object.keys(BENCHES).join(", ")}\n`);
  process.exit(2);
}
process.stdout.write(`${await bench()}\n`);
process.exit(0);
