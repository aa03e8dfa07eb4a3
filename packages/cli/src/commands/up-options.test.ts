/** What the flags of `concert up` mean together with the environment. */
import { afterEach, expect, test } from "bun:test";
import { Command } from "commander";
import { stackOptionsOf, type UpFlags, withUpFlags } from "./up-options.ts";

const VARIABLES = ["CONCORD_LISTEN", "DATABASE_URL", "CONCERT_DATA_DIR"];
const before = new Map(VARIABLES.map((name) => [name, process.env[name]]));

afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

function optionsFor(...argv: string[]) {
  const command = withUpFlags(
    new Command("up").exitOverride().configureOutput({ writeErr: () => undefined }),
  );
  command.parse(argv, { from: "user" });
  return stackOptionsOf(command.opts<UpFlags>());
}

const addressOf = (options: ReturnType<typeof optionsFor>, name: "concord" | "podium") => {
  if (options.ports === undefined || options.ports === "free") throw new Error("no addresses");
  return options.ports[name];
};

test("without flags: everything, on the documented ports, in ./data", () => {
  const options = optionsFor();
  expect(options.dataDir).toBe("./data");
  expect(options.services).toHaveLength(8);
  expect(addressOf(options, "concord")).toEqual({ host: "127.0.0.1", port: 4200 });
  expect(options.databaseUrl).toBeUndefined();
});

test("a flag wins over the environment, a port changes only the port", () => {
  process.env["CONCORD_LISTEN"] = "0.0.0.0:7000";
  process.env["CONCERT_DATA_DIR"] = "/elsewhere";
  expect(addressOf(optionsFor(), "concord")).toEqual({ host: "0.0.0.0", port: 7000 });
  expect(addressOf(optionsFor("--concord-port=7001"), "concord")).toEqual({
    host: "0.0.0.0",
    port: 7001,
  });
  expect(addressOf(optionsFor("--concord-listen=[::1]:7002"), "concord")).toEqual({
    host: "::1",
    port: 7002,
  });
  expect(optionsFor().dataDir).toBe("/elsewhere");
  expect(optionsFor("--data-dir=here").dataDir).toBe("here");
});

test("--only and --no-vendor choose services", () => {
  expect(optionsFor("--only=concord, postgres").services).toEqual(["concord", "postgres"]);
  expect(optionsFor("--no-vendor").services).not.toContain("vendor");
});

test("DATABASE_URL means no embedded Postgres; something else than Postgres is refused", () => {
  process.env["DATABASE_URL"] = "postgres://u:p@db/concert";
  expect(optionsFor().databaseUrl).toBe("postgres://u:p@db/concert");
  expect(() => optionsFor("--database-url=mysql://db")).toThrow("It needs postgres://");
});

test("values that cannot be are refused with what is accepted", () => {
  expect(() => optionsFor("--podium-port=0")).toThrow("needs a whole number from 1 to 65535");
  expect(() => optionsFor("--podium-listen=5083")).toThrow("needs host:port");
  expect(() => optionsFor("--only=concorde")).toThrow(
    '"concorde" is none of postgres, concordance',
  );
});
