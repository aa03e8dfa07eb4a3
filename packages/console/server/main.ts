/** The console's server: a port, a folder, and the address of the gateway. */
import { resolve } from "node:path";
import { config, createLogger, endGracefully, explainListenFailure } from "@concert/service-kit";
import { consoleSite, isBuilt, NOT_BUILT } from "./console-site.ts";

const SETTINGS = {
  listen: config.listen({
    flag: "listen",
    env: "CONSOLE_LISTEN",
    help: "Where to listen.",
    default: "127.0.0.1:5173",
  }),
  gatewayUrl: config.url({
    flag: "gateway-url",
    env: "CONSOLE_GATEWAY_URL",
    help: "The gateway as browsers reach it.",
    default: "http://127.0.0.1:8080",
  }),
  dist: config.text({
    flag: "dist",
    env: "CONSOLE_DIST",
    placeholder: "folder",
    help: "The built console; without it, dist beside the server's package.",
  }),
};

const settings = config.settingsOrExit("console", "Serves the web console.", SETTINGS);
const log = createLogger("console");
const dist = resolve(settings.dist ?? resolve(import.meta.dirname, "../dist"));
const { host, port } = settings.listen;

if (!(await isBuilt(dist))) log.warn({ dist }, NOT_BUILT);
const server = listenOrExit();
log.info({ url: server.url.href, gatewayUrl: settings.gatewayUrl }, "listening");
endGracefully(log, () => server.stop());

function listenOrExit() {
  try {
    return Bun.serve({
      hostname: host,
      port,
      fetch: consoleSite({ dist, gatewayUrl: settings.gatewayUrl }),
    });
  } catch (error) {
    return explainListenFailure("console", error, host, port);
  }
}
