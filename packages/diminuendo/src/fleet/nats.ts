/**
 * Owns the broadcast engine over a NATS server, with the official client. Its own reconnecting is off: what was lost
 * meanwhile must be noticed, and Broadcast.ts does both. Nothing is kept there (core NATS, no JetStream).
 */
import type { Subscription } from "@nats-io/transport-node";
import type { Engine } from "./engine.ts";

const CONNECT_MS = 3_000;

export const natsEngine = (url: string, channel: string): Engine => ({
  name: "nats",
  open: async (heard) => {
    // Only who chose this engine waits for its client to be loaded.
    const { connect } = await import("@nats-io/transport-node");
    const { servers, ...who } = addressOf(url);
    const connection = await connect({ servers, ...who, timeout: CONNECT_MS, reconnect: false });
    const lost = connection.closed().then((error) => error?.message ?? "the connection was closed");
    const subject = subjectOf(channel);
    void hearAll(connection.subscribe(subject), heard);
    // The server has taken the subscription once it has answered this.
    await connection.flush();
    return {
      lost,
      publish: (text) => {
        if (!connection.isClosed()) connection.publish(subject, text);
      },
      close: () => void connection.close(),
    };
  },
});

async function hearAll(subscription: Subscription, heard: (text: string) => void): Promise<void> {
  try {
    for await (const message of subscription) heard(message.string());
  } catch {
    // The connection has ended, which `lost` tells.
  }
}

/** User and password stand in the URL, as everywhere; the client wants them apart. */
function addressOf(text: string) {
  const url = new URL(text);
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const who = pass === "" ? (user === "" ? {} : { token: user }) : { user, pass };
  return { servers: url.host, ...(url.protocol === "tls:" ? { tls: {} } : {}), ...who };
}

/** Dots, spaces and wildcards mean something in a subject. */
const subjectOf = (channel: string): string => `concert.${channel.replace(/[^\w-]/g, "_")}`;
