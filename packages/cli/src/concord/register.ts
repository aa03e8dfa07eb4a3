/**
 * Owns putting the families of commands on the command line: arguments, flags, `--json`, exit codes.
 * 0 done, 1 refused or not reachable, 2 wrong usage, 3 checked and not intact.
 */
import { ConcordError } from "@concert/concord/client";
import { Argument, type Command, Option } from "commander";
import { dataDirOption } from "../commands/up-options.ts";
import {
  apiOf,
  type ConnectionFlags,
  connectionOf,
  PLACES,
  refusalText,
  type Service,
} from "./api.ts";
import { AUTOMATION_FAMILIES } from "./automation-families.ts";
import { BLUEPRINT_FAMILIES } from "./blueprint-families.ts";
import { FAMILIES } from "./families.ts";
import { FILE_FAMILIES } from "./file-families.ts";
import type { Operation, Outcome } from "./operation.ts";
import { SESSION_FAMILIES } from "./session-families.ts";

type Flags = ConnectionFlags & { readonly json: boolean };

const WHERE = { concord: "where Concord answers", gateway: "where the gateway answers" } as const;
const KEYS = {
  concord: "an operator key",
  gateway: "an API key of the gateway, or a sign-in's token",
} as const;

/** Adds every family to `program`; `finish` ends the process with the code or the error. */
export function addConcordCommands(
  program: Command,
  finish: (work: Promise<number>) => Promise<void>,
): void {
  for (const one of [
    ...FAMILIES,
    ...AUTOMATION_FAMILIES,
    ...BLUEPRINT_FAMILIES,
    ...FILE_FAMILIES,
    ...SESSION_FAMILIES,
  ]) {
    const { name, summary, operations, service = "concord" } = one;
    const family = program.command(name).description(summary);
    for (const operation of operations) addOperation(family, operation, service, finish);
  }
}

function addOperation(
  family: Command,
  operation: Operation,
  service: Service,
  finish: (work: Promise<number>) => Promise<void>,
): void {
  const { name, summary, args = [], flags = [], offline } = operation;
  const command = family.command(name).description(summary);
  for (const one of args) command.addArgument(new Argument(`<${one.name}>`, one.help));
  for (const one of flags) command.option(one.flags, one.help);
  if (offline === undefined) {
    command
      .addOption(new Option("--url <url>", WHERE[service]).env(PLACES[service].urlEnv))
      .addOption(new Option("--key <key>", KEYS[service]).env(PLACES[service].keyEnv))
      .addOption(dataDirOption());
  }
  command.option("--json", "the answer as JSON, for programs", false);
  command.action((...given: unknown[]) => finish(run(operation, service, given)));
}

/** Commander hands over the arguments, then the flags, then the command. */
async function run(
  operation: Operation,
  service: Service,
  given: readonly unknown[],
): Promise<number> {
  const count = operation.args?.length ?? 0;
  const args = given.slice(0, count).map(String);
  const { json, url, key, dataDir, ...flags } = given[count] as Flags & Record<string, string>;
  const api = apiOf(
    connectionOf(
      { dataDir: dataDir ?? "./data", ...definedOf({ url, key }) },
      process.env,
      service,
    ),
  );
  const outcome = await operation.run(api, { args, flags }).catch((error: unknown) => {
    if (error instanceof ConcordError) throw new Error(refusalText(error));
    throw error;
  });
  print(outcome, json);
  return outcome.exitCode ?? 0;
}

function definedOf(flags: {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
}) {
  return {
    ...(flags.url === undefined ? {} : { url: flags.url }),
    ...(flags.key === undefined ? {} : { key: flags.key }),
  };
}

function print({ value, text }: Outcome, json: boolean): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text}\n`);
}
