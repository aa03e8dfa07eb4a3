/**
 * A real, very small service for the supervisor's tests: it listens, is healthy, starts a child of its own
 * when told to, and crashes when told to. Flags: --listen, --start-file (must exist, otherwise exit 3).
 */
import { existsSync } from "node:fs";
import { config, createLogger, endGracefully } from "@concert/service-kit";

const settings = config.settingsOrExit("small-service", "A service for tests.", {
  listen: config.listen({ flag: "listen", help: "Where.", default: "127.0.0.1:0" }),
  startFile: config.text({ flag: "start-file", help: "Refuses to start without this file." }),
  ignoreTerm: config.toggle({
    flag: "ignore-term",
    help: "Does not end by itself.",
    default: false,
  }),
});

if (settings.startFile !== undefined && !existsSync(settings.startFile)) {
  process.stderr.write("small-service: the start file is missing\n");
  process.exit(3);
}
const server = Bun.serve({
  hostname: settings.listen.host,
  port: settings.listen.port,
  fetch: (request) => {
    if (new URL(request.url).pathname === "/crash") process.exit(7);
    return Response.json({ ok: true, pid: process.pid });
  },
});
if (settings.ignoreTerm) process.on("SIGTERM", () => process.stderr.write("not now\n"));
else endGracefully(createLogger("small"), () => server.stop(true));
