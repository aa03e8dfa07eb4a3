/**
 * `bun examples/vendor-data-sync/main.ts`: a night with a busy vendor, a night in which nothing changed, a correction,
 * and an order that the scope forbids. Brings its own Postgres and its own vendor.
 */
import { createConcord, encodeId, type JsonObject, type Principal } from "@concert/concord";
import { startTemporaryPostgres } from "@concert/postgres-host";
import { startVendor } from "./vendor/server.ts";
import { prepareWarehouse } from "./warehouse.ts";

const ADA: Principal = {
  tenant: "acme",
  user: "ada",
  roles: ["owner"],
  permissions: ["sync_vendor_data"],
};
const DAY = { vendor_name: "acme", target_date: "2027-03-01" };
const say = (line: string) => void process.stdout.write(`${line}\n`);

const postgres = await startTemporaryPostgres();
const vendor = await startVendor({ host: "127.0.0.1", port: 0, apiKey: "vendor-dev" });
process.env["SALES_VENDOR_URL"] = vendor.url;
process.env["SALES_VENDOR_API_KEY"] = "vendor-dev";
process.env["SYNC_WAREHOUSE_URL"] = postgres.url;
// Half a minute between attempts is right at night and long in a demonstration.
process.env["SYNC_RETRY_FACTOR"] ??= "0.02";
await prepareWarehouse(postgres.url);
const { default: contracts } = await import("./contracts.ts");
const concord = createConcord({ databaseUrl: postgres.url, contracts, executorId: "sync-1" });
await concord.start();

const tell = (path: string, method: string, body: object) =>
  fetch(`${vendor.url}${path}`, { method, body: JSON.stringify(body) });
const run = async (what: string, taskName: string, payload: JsonObject, key?: string) => {
  const { command, replayed } = await concord.commands.submit({
    taskName,
    payload,
    principal: ADA,
    ingress: "user_request",
    traceId: crypto.randomUUID().replaceAll("-", ""),
    ...(key === undefined ? {} : { idempotencyKey: key }),
  });
  const id = encodeId("command", command.commandId);
  const done = await concord.commands.settled(ADA, id, 60_000);
  say(
    `${what}: ${replayed ? "the same command, " : ""}${done.status} ${done.error ?? JSON.stringify(done.result)}`,
  );
  const { entries } = await concord.timeline(ADA, id);
  const isTold = ({ kind, eventType }: (typeof entries)[number]) =>
    ["connector", "effect"].includes(kind) || eventType === "step_skipped";
  for (const entry of replayed ? [] : entries.filter(isTold)) {
    say(`    ${entry.title}${entry.detail === null ? "" : ` (${entry.detail})`}`);
  }
};

await tell("/faults", "PUT", { next: [503, 503] });
await run("the vendor is busy twice", "sync_vendor_sales", DAY);
await run("again under the same key", "sync_vendor_sales", DAY);
await run("nothing changed", "sync_vendor_sales", DAY, "second look");
await tell("/corrections", "POST", { vendor: "acme", date: DAY.target_date });
await run("the vendor corrected the day", "sync_vendor_sales", DAY, "third look");
await run("an order", "order_from_vendor", { vendor_name: "acme", product: "lamp" });
await concord.stop();
await vendor.stop();
await postgres.stop();
process.exit(0);
