/**
 * Owns one Unison process's parts and how they are joined: the same surface as a member's, over a server that
 * keeps the data. Refuses to own: the process (main.ts), and every rule (all other rooms).
 */
import { KvApi } from "../api.ts";
import { Cipher } from "../cipher.ts";
import type { Config } from "../config.ts";
import { EncryptionApi } from "../encryption-api.ts";
import { KeyApi } from "../key-api.ts";
import { Keys } from "../keys.ts";
import type { Logger } from "../logger.ts";
import { surfaceMetrics } from "../metrics.ts";
import { HttpServer } from "../server.ts";
import type { Secrets } from "../service.ts";
import { StreamHandler } from "../ws.ts";
import { UnisonEngine } from "./engine.ts";
import { Session } from "./session.ts";

export class UnisonService {
  readonly server: HttpServer;
  readonly #session: Session;

  constructor(url: string, config: Config, { ring, transport }: Secrets, log: Logger) {
    const { apiKey, agentKey, quota, valueBytesMax } = config;
    this.#session = new Session({
      url,
      publish: (changes) => stream.publish(changes),
      historyChanged: () => stream.closeAll(),
      log,
    });
    const engine = new UnisonEngine(this.#session);
    const cipher = new Cipher(ring);
    const api = new KvApi(engine, { cipher, quota, valueBytesMax });
    const tenantKeys = new KeyApi(engine);
    const keys = new Keys(apiKey, agentKey, (id) => tenantKeys.find(id));
    const stream = new StreamHandler(api, keys, log);
    this.server = new HttpServer({
      api,
      stream,
      members: null,
      transport,
      keys,
      tenantKeys,
      encryption: new EncryptionApi(engine, cipher),
      log,
      metrics: (requests) => {
        const { sockets, subscriptions } = stream;
        const { revision } = engine.feed.position;
        const ready = api.missing.length === 0;
        return surfaceMetrics({ ready, revision, sockets, subscriptions, requests });
      },
    });
  }

  /** Throws `ServerUnusable` when the server can never serve as it is; one that is away is waited for. */
  start(): Promise<void> {
    return this.#session.start();
  }

  stop(): void {
    this.#session.stop();
  }
}
