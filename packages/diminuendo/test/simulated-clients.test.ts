/**
 * Five clients from a seed, while the gateway is killed and Podium's sockets break. At the end each client's view is the
 * log: every event once, in order, and nothing that was acknowledged is missing.
 */
import { setDefaultTimeout, test } from "bun:test";
import { type GatewayProcess, World } from "./support/gateway-process.ts";
import { livesThrough } from "./support/simulated-clients.ts";

setDefaultTimeout(240_000);

const SEEDS = (process.env["SIM_SEEDS"] ?? "1,12,20261121").split(",").map(Number);

for (const seed of SEEDS) {
  test(`D1 D2 whatever happens to the clients and the gateway, each view is the log (seed ${seed})`, async () => {
    const world = new World();
    let gateway: GatewayProcess = await world.start();
    await livesThrough(seed, {
      port: () => gateway.port,
      dropSockets: () => world.podium.dropSockets(),
      mishap: async () => {
        await gateway.kill();
        gateway = await world.start();
      },
      mended: async () => {},
    });
    await world.stop();
  });
}
