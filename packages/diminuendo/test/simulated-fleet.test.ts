/**
 * The same clients over two gateways: which one they reach is chance. Gateways are killed, or sleep until another has taken
 * their tenants and then go on as if nothing had been; the broadcast engine is killed, and hints are lost with it.
 */
import { describe, setDefaultTimeout, test } from "bun:test";
import { Fleet } from "./support/fleet.ts";
import type { GatewayProcess } from "./support/gateway-process.ts";
import { has } from "./support/programs.ts";
import type { Random } from "./support/random.ts";
import { livesThrough } from "./support/simulated-clients.ts";

setDefaultTimeout(300_000);

const SEEDS = (process.env["SIM_FLEET_SEEDS"] ?? "2,7,20261121").split(",").map(Number);
/** Longer than a gateway that says nothing keeps its tenants. */
const SLEEP_MS = 3_500;

/** The delegated store is slower to take over: a gateway that comes new has nothing. */
const RUNS = SEEDS.flatMap((seed, index) =>
  index < 2
    ? ([
        [seed, "embedded"],
        [seed, "delegated"],
      ] as const)
    : ([[seed, "embedded"]] as const),
);

describe.if(has("redis-server", "simulated clients of several gateways"))("two gateways", () => {
  for (const [seed, store] of RUNS) {
    test(`D1 D2 whatever happens to clients, gateways and the broadcast, each view is the log (${store}, seed ${seed})`, async () => {
      const fleet = await Fleet.start({ store });
      const gateways: GatewayProcess[] = [await fleet.gateway(), await fleet.gateway()];
      let mending: Promise<unknown> = Promise.resolve();
      const meanwhile = (work: Promise<unknown>) => {
        mending = Promise.all([mending, work]);
      };
      const one = (random: Random) => {
        const index = random(gateways.length);
        const gateway = gateways[index];
        if (gateway === undefined) throw new Error("no gateway");
        return { index, gateway };
      };
      const mishaps = [
        async (random: Random) => {
          const { index, gateway } = one(random);
          await gateway.kill();
          gateways[index] = await fleet.gateway();
        },
        async (random: Random) => {
          const { gateway } = one(random);
          gateway.signal("SIGSTOP");
          meanwhile(Bun.sleep(SLEEP_MS).then(() => gateway.signal("SIGCONT")));
        },
        async (random: Random) => {
          await mending;
          await fleet.engine.kill();
          meanwhile(Bun.sleep(random(1_500)).then(() => fleet.engine.start()));
        },
      ];
      await livesThrough(seed, {
        port: (random) => one(random).gateway.port,
        dropSockets: () => fleet.world.podium.dropSockets(),
        mishap: async (random) => mishaps[random(mishaps.length)]?.(random),
        mended: async () => void (await mending),
      });
      await fleet.stop();
    });
  }
});
