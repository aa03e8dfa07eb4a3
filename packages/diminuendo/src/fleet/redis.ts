/**
 * Owns the broadcast engine over a Valkey or Redis server: its pub/sub, with Bun's client. Listening takes a connection
 * of its own; the link is gone when either breaks. Nothing is kept there.
 */
import { RedisClient } from "bun";
import type { Engine, Link } from "./engine.ts";

const CONNECT_MS = 3_000;
/** What may wait for a server that does not take it; more is not sent. */
const WAITING_CHARS_MAX = 16 * 1_048_576;

export const redisEngine = (url: string, channel: string): Engine => ({
  name: "redis",
  open: async (heard) => {
    const [saying, hearing] = [clientOf(url), clientOf(url)];
    const lost = Promise.race([endOf(saying), endOf(hearing)]);
    const close = () => {
      saying.close();
      hearing.close();
    };
    void lost.then(close);
    try {
      await Promise.all([saying.connect(), hearing.connect()]);
      await hearing.subscribe(channel, (text) => heard(text));
    } catch (error) {
      close();
      throw error;
    }
    return { lost, close, publish: publisher(saying, channel) };
  },
});

function clientOf(url: string): RedisClient {
  return new RedisClient(url, {
    autoReconnect: false,
    enableOfflineQueue: false,
    connectionTimeout: CONNECT_MS,
  });
}

const endOf = (client: RedisClient): Promise<string> =>
  new Promise((resolve) => {
    client.onclose = (error) => resolve(error?.message ?? "the connection was closed");
  });

function publisher(client: RedisClient, channel: string): Link["publish"] {
  let waitingChars = 0;
  return (text) => {
    if (waitingChars + text.length > WAITING_CHARS_MAX) return;
    waitingChars += text.length;
    const taken = () => {
      waitingChars -= text.length;
    };
    // A refusal or a broken connection loses the hint; whoever misses it looks at the log.
    client.publish(channel, text).then(taken, taken);
  };
}
