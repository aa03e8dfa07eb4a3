/** The vendor as a process of its own. */
import { config, createLogger, endGracefully, explainListenFailure } from "@concert/service-kit";
import { startVendor } from "./server.ts";

const PROGRAM = "sales-vendor";
const settings = config.settingsOrExit(PROGRAM, "somebody's sales, a day at a time.", {
  listen: config.listen({
    flag: "listen",
    env: "SALES_VENDOR_LISTEN",
    help: "Where to listen.",
    default: "127.0.0.1:5320",
  }),
  apiKey: config.secret({
    flag: "api-key",
    env: "SALES_VENDOR_API_KEY",
    help: "The key clients send as bearer token.",
    default: "vendor-dev",
  }),
});

const log = createLogger(PROGRAM);
const { host, port } = settings.listen;
const vendor = await startVendor({ host, port, apiKey: settings.apiKey }).catch((error: unknown) =>
  explainListenFailure(PROGRAM, error, host, port),
);
log.info({ url: vendor.url }, "listening");
endGracefully(log, vendor.stop);
