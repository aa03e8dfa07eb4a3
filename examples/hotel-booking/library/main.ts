/** Owns running the library example from a shell: `bun examples/hotel-booking/library/main.ts [city]`. */
import { bookDearest } from "./book.ts";

const databaseUrl = process.env["DATABASE_URL"];
if (databaseUrl === undefined) {
  process.stderr.write(
    "Set DATABASE_URL to a Postgres, e.g. postgres://user:password@127.0.0.1:5433/concord\n",
  );
  process.exit(2);
}
const confirmation = await bookDearest(databaseUrl, process.argv[2] ?? "Vienna");
process.stdout.write(`${JSON.stringify(confirmation, null, 2)}\n`);
process.exit(0);
