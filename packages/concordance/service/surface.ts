/**
 * Owns joining the parts that serve, over whichever engine keeps the data: keys, operations, `/stream`, HTTP.
 * Refuses to own: the engine, and who the members are (service.ts, unison/service.ts).
 */
import { KvApi } from "./api.ts";
import { Cipher } from "./cipher.ts";
import type { Config } from "./config.ts";
import { EncryptionApi } from "./encryption-api.ts";
import type { Engine } from "./engine.ts";
import { KeyApi } from "./key-api.ts";
import type { KeyRing } from "./key-ring.ts";
import { Keys } from "./keys.ts";
import type { Logger } from "./logger.ts";
import { surfaceMetrics } from "./metrics.ts";
import { HttpServer, type Members } from "./server.ts";
import type { Transport } from "./transport.ts";
import { StreamHandler } from "./ws.ts";

/** What the settings name and do not hold. */
export interface Secrets {
  readonly ring: KeyRing | null;
  readonly transport: Transport;
}
export interface SurfaceParts {
  readonly engine: Engine;
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** Null over an engine that has none. */
  readonly members: Members | null;
  /** What the engine adds to `/metrics`. */
  readonly engineMetrics: () => string;
}
export interface Surface {
  readonly server: HttpServer;
  readonly stream: StreamHandler;
}

export function surfaceOver(parts: SurfaceParts): Surface {
  const { engine, config, secrets, log, members, engineMetrics } = parts;
  const { apiKey, agentKey, quota, valueBytesMax } = config;
  const cipher = new Cipher(secrets.ring);
  const api = new KvApi(engine, { cipher, quota, valueBytesMax });
  const tenantKeys = new KeyApi(engine);
  const keys = new Keys(apiKey, agentKey, (id) => tenantKeys.find(id));
  const stream = new StreamHandler(api, keys, log);
  const metrics = (requests: ReadonlyMap<number, number>) => {
    const { revision } = engine.feed.position;
    const { sockets, subscriptions } = stream;
    const watched = { sockets, subscriptions, waiting: api.waiting };
    const ready = api.missing.length === 0;
    const surface = { ready, revision, ...watched, keyId: cipher.keyId, requests };
    return surfaceMetrics(surface) + engineMetrics();
  };
  const encryption = new EncryptionApi(engine, cipher);
  const { transport } = secrets;
  const serving = { api, stream, members, transport, keys, tenantKeys, encryption, log, metrics };
  return { server: new HttpServer(serving), stream };
}
