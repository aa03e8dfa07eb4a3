/** Owns which broadcast engine an address means. */
import type { FleetSettings } from "../app-config.ts";
import type { Engine } from "./engine.ts";
import { natsEngine } from "./nats.ts";
import { redisEngine } from "./redis.ts";

export const engineOf = ({ broadcastUrl, channel }: FleetSettings): Engine =>
  /^(nats|tls):/.test(broadcastUrl)
    ? natsEngine(broadcastUrl, channel)
    : redisEngine(broadcastUrl, `concert:${channel}`);
