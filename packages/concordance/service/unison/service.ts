/**
 * Owns one Unison process's parts and how they are joined: the same surface as a member's, over a server that
 * keeps the data. Refuses to own: the process (main.ts), and every rule (all other rooms).
 */
import type { Config } from "../config.ts";
import type { Logger } from "../logger.ts";
import { storeMetrics } from "../metrics.ts";
import type { HttpServer } from "../server.ts";
import { type Secrets, surfaceOver } from "../surface.ts";
import { UnisonEngine } from "./engine.ts";
import { Session } from "./session.ts";

export class UnisonService {
  readonly server: HttpServer;
  readonly #session: Session;

  constructor(url: string, config: Config, secrets: Secrets, log: Logger) {
    this.#session = new Session({
      url,
      publish: (changes) => stream.publish(changes),
      historyChanged: () => stream.closeAll(),
      log,
    });
    const engine = new UnisonEngine(this.#session);
    const engineMetrics = () => {
      const { isConnected, connections } = this.#session;
      return storeMetrics({ isConnected, connections, writesWaiting: engine.writesWaiting });
    };
    const alone = { members: null, engineMetrics };
    const { server, stream } = surfaceOver({ engine, config, secrets, log, ...alone });
    this.server = server;
  }

  /** Throws `ServerUnusable` when the server can never serve as it is; one that is away is waited for. */
  start(): Promise<void> {
    return this.#session.start();
  }

  stop(): void {
    this.#session.stop();
  }
}
