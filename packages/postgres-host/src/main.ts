/**
 * Owns the process that hosts the embedded Postgres, so that it is started, watched and stopped like every
 * other service of the stack. Refuses to own: what is stored in it.
 */
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { config, createLogger, endGracefully } from "@concert/service-kit";
import { reaching, unprivilegedAccount } from "./account.ts";
import { binariesFor } from "./binaries.ts";
import { clearStaleServer, ensureCluster } from "./cluster.ts";
import { ensureDatabase, startServer } from "./server.ts";

const settings = config.settingsOrExit("concert-postgres", "Postgres 18 from npm, hosted.", {
  listen: config.listen({
    flag: "listen",
    env: "CONCERT_POSTGRES_LISTEN",
    help: "Where Postgres listens.",
    default: "127.0.0.1:5433",
  }),
  dataDir: config.text({
    flag: "data-dir",
    help: "The data directory; made when missing.",
    placeholder: "folder",
    default: "./data/postgres",
  }),
  database: config.text({
    flag: "database",
    help: "The database to make.",
    placeholder: "name",
    default: "concert",
  }),
  password: config.secret({
    flag: "password",
    env: "CONCERT_POSTGRES_PASSWORD",
    help: "Password of the superuser `postgres`. Give it in the environment.",
  }),
});

const log = createLogger("postgres");

async function main(): Promise<void> {
  const { listen, database, password } = settings;
  if (password === undefined) throw new Error("CONCERT_POSTGRES_PASSWORD is not set");
  const dataDir = resolve(settings.dataDir);
  mkdirSync(dirname(dataDir), { recursive: true });
  const account = reaching(unprivilegedAccount(), dirname(dataDir));
  const binaries = binariesFor(unprivilegedAccount());
  ensureCluster(dataDir, password, binaries, account);
  await clearStaleServer(dataDir, log);
  const server = startServer({ ...listen, dataDir, binaries, account, output: "inherit" });
  endGracefully(log, server.stop);
  const address = `${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${listen.port}`;
  const url = `postgres://postgres:${encodeURIComponent(password)}@${address}/postgres`;
  await Promise.race([ensureDatabase(url, database), server.crashed]);
  log.info({ address, database }, "ready");
  await server.crashed;
}

main().catch((error: unknown) => {
  log.error({ err: error }, "Postgres cannot run");
  process.exit(1);
});
