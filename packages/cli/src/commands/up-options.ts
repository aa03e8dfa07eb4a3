/**
 * Owns the flags of `concert up` and what they mean together with the environment. Every service gets
 * `--<name>-port` and `--<name>-listen` from the table. Refuses to own: starting anything.
 */
import { config } from "@concert/service-kit";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Addresses, defaultAddresses } from "../stack/addresses.ts";
import { SERVICE_NAMES, SERVICES, type ServiceName } from "../stack/services.ts";
import type { StackOptions } from "../stack/stack.ts";

export interface UpFlags {
  readonly dataDir: string;
  readonly logDir?: string;
  readonly databaseUrl?: string;
  readonly only?: readonly ServiceName[];
  readonly vendor: boolean;
  readonly verbose: boolean;
  /** `--concord-port` arrives as `concordPort`, and so on. */
  readonly [flag: string]: unknown;
}

/** Adds the flags to `command`. */
export function withUpFlags(command: Command): Command {
  command
    .addOption(dataDirOption())
    .option(
      "--log-dir <folder>",
      "where each service's log goes (default: logs in the data folder)",
    )
    .addOption(
      new Option("--database-url <url>", "use this Postgres instead of the embedded one")
        .env("DATABASE_URL")
        .argParser(postgresUrl),
    )
    .option("--only <services>", `start only these, e.g. postgres,concord`, serviceList)
    .option("--no-vendor", "do not start the example's hotel vendor")
    .option("--verbose", "show every service's log on the terminal too", false);
  for (const { name, defaultPort, listenEnv } of SERVICES) {
    command.option(
      `--${name}-port <port>`,
      `port of ${name} on loopback (default: ${defaultPort})`,
      port,
    );
    command.addOption(
      new Option(`--${name}-listen <host:port>`, `where ${name} listens`)
        .env(listenEnv)
        .argParser(address),
    );
  }
  return command;
}

/** `--data-dir`, which several commands share. */
export function dataDirOption(): Option {
  return new Option("--data-dir <folder>", "everything the stack remembers")
    .env("CONCERT_DATA_DIR")
    .default("./data");
}

/** What `flags` ask `startStack` for. */
export function stackOptionsOf(flags: UpFlags): StackOptions {
  const wanted = flags.only ?? SERVICE_NAMES;
  return {
    dataDir: flags.dataDir,
    ports: addressesOf(flags),
    services: wanted.filter((name) => name !== "vendor" || flags.vendor),
    ...(flags.logDir === undefined ? {} : { logDir: flags.logDir }),
    ...(flags.databaseUrl === undefined ? {} : { databaseUrl: flags.databaseUrl }),
  };
}

function addressesOf(flags: UpFlags): Addresses {
  const defaults = defaultAddresses();
  const chosen = SERVICE_NAMES.map((name) => {
    const listen = flags[`${name}Listen`] as config.ListenAddress | undefined;
    const port = flags[`${name}Port`] as number | undefined;
    return [
      name,
      { ...(listen ?? defaults[name]), ...(port === undefined ? {} : { port }) },
    ] as const;
  });
  return Object.fromEntries(chosen) as Addresses;
}

function serviceList(text: string): readonly ServiceName[] {
  return text.split(",").map((word) => {
    const found = SERVICE_NAMES.find((name) => name === word.trim());
    if (found === undefined) {
      throw new InvalidArgumentError(`"${word}" is none of ${SERVICE_NAMES.join(", ")}.`);
    }
    return found;
  });
}

function postgresUrl(text: string): string {
  if (URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("It needs postgres://user:password@host:port/database.");
}

function port(text: string): number {
  return parsed(config.integer({ flag: "port", help: "", default: 0, min: 1, max: 65_535 }), text);
}

function address(text: string): config.ListenAddress {
  return parsed(config.listen({ flag: "listen", help: "", default: "127.0.0.1:0" }), text);
}

function parsed<T>(setting: config.Setting<T>, text: string): T {
  try {
    return setting.parse(text);
  } catch (error) {
    if (error instanceof config.SettingError)
      throw new InvalidArgumentError(`It ${error.message}.`);
    throw error;
  }
}
