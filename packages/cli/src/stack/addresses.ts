/**
 * Owns where services listen: defaults, free ports for stacks of their own, and the check that nobody else
 * holds a port before anything is started. Refuses to own: what listens there.
 */
import { createServer } from "node:net";
import type { config } from "@concert/service-kit";
import { SERVICES, type ServiceName, type ServiceUrls } from "./services.ts";

export type Addresses = Readonly<Record<ServiceName, config.ListenAddress>>;

const LOOK_EVERY_MS = 100;

/** A port that is taken, with the service that wanted it. */
export class PortBusy extends Error {
  readonly port: number;

  constructor(service: ServiceName, { host, port }: config.ListenAddress) {
    super(
      `port ${port} on ${host}, wanted by ${service}, is in use; stop what holds it or choose another with --${service}-port=<port>`,
    );
    this.name = "PortBusy";
    this.port = port;
  }
}

/** The default addresses, on loopback. */
export function defaultAddresses(): Addresses {
  return addressesFrom((_, defaultPort) => ({ host: "127.0.0.1", port: defaultPort }));
}

/** A free loopback port for every service, all different. */
export async function freeAddresses(): Promise<Addresses> {
  // All are held at the same time, otherwise the system may hand out one twice.
  const holders = await Promise.all(SERVICES.map(() => hold({ host: "127.0.0.1", port: 0 })));
  const ports = holders.map((holder) => holder.port);
  await Promise.all(holders.map((holder) => holder.release()));
  return addressesFrom((_, __, index) => ({ host: "127.0.0.1", port: ports[index] ?? 0 }));
}

/**
 * Throws `PortBusy` for the first of `services` whose port is taken and stays so for `patienceMs`. Other
 * failures pass through.
 */
export async function checkPortsFree(
  services: readonly ServiceName[],
  addresses: Addresses,
  patienceMs = 0,
): Promise<void> {
  const deadlineMs = Date.now() + patienceMs;
  for (const service of services) {
    while (!(await isFree(addresses[service]))) {
      if (Date.now() >= deadlineMs) throw new PortBusy(service, addresses[service]);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }
}

/** How each service is reached. `databaseUrl` replaces the embedded Postgres, `env` whatever runs elsewhere. */
export function urlsOf(addresses: Addresses, databaseUrl: string): ServiceUrls {
  const entries = SERVICES.map(({ name }) => [name, httpUrl(addresses[name])]);
  return { ...(Object.fromEntries(entries) as ServiceUrls), postgres: databaseUrl };
}

/** `host:port`, as `--listen` takes it. */
export function listenText({ host, port }: config.ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `url` as it may be shown. */
export function withoutPassword(text: string): string {
  const url = new URL(text);
  url.password = "";
  return url.href.replace(/\/$/, "");
}

function httpUrl(address: config.ListenAddress): string {
  const anywhere = address.host === "0.0.0.0" || address.host === "::";
  return `http://${listenText(anywhere ? { ...address, host: "127.0.0.1" } : address)}`;
}

function addressesFrom(
  addressOf: (name: ServiceName, defaultPort: number, index: number) => config.ListenAddress,
): Addresses {
  return Object.fromEntries(
    SERVICES.map((row, index) => [row.name, addressOf(row.name, row.defaultPort, index)]),
  ) as Addresses;
}

async function isFree(address: config.ListenAddress): Promise<boolean> {
  try {
    await (await hold(address)).release();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") return false;
    throw error;
  }
}

interface Holder {
  readonly port: number;
  release(): Promise<void>;
}

function hold({ host, port }: config.ListenAddress): Promise<Holder> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : port,
        release: () => new Promise((released) => server.close(() => released())),
      });
    });
  });
}
