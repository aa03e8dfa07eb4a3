/**
 * The hotel vendor as a process: somebody else's reservation system, with real prices, real stock, a real
 * database and failures on request. It knows nothing of Concert.
 */
import { config, createLogger, endGracefully, explainListenFailure } from "@concert/service-kit";
import { createVendor } from "./app.ts";
import { Store } from "./store.ts";

/** Longer than the longest fault delay a test is likely to set; Bun's own default would cut it at 10 s. */
const IDLE_TIMEOUT_SECONDS = 255;

const settings = config.settingsOrExit("hotel-vendor", "a hotel reservation system to book with.", {
  listen: config.listen({
    flag: "listen",
    env: "HOTEL_VENDOR_LISTEN",
    help: "Where to listen.",
    default: "127.0.0.1:5300",
  }),
  dataDir: config.text({
    flag: "data-dir",
    env: "HOTEL_VENDOR_DATA_DIR",
    help: "Where hotel.db lives.",
    placeholder: "path",
    default: "./data/vendors/hotel",
  }),
  apiKey: config.secret({
    flag: "api-key",
    env: "HOTEL_VENDOR_API_KEY",
    help: "The key clients send as bearer token (development default: vendor-dev).",
    default: "vendor-dev",
  }),
});

const log = createLogger("hotel-vendor");
const { host, port } = settings.listen;
const store = new Store(settings.dataDir);
const app = createVendor({ store, apiKey: settings.apiKey, log, nowMs: Date.now });
const server = listen();
log.info({ url: server.url.href, dataDir: settings.dataDir }, "listening");
endGracefully(log, async () => {
  await server.stop();
  store.close();
});

function listen() {
  try {
    return Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      fetch: (request) => app.fetch(request),
    });
  } catch (error) {
    return explainListenFailure("hotel-vendor", error, host, port);
  }
}
