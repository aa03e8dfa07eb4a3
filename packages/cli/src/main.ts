#!/usr/bin/env bun
/**
 * Owns the command line of `concert`: which commands there are and how their failures are told.
 * Refuses to own: what a command does (commands/).
 */
import { Command, Option } from "commander";
import { type AcpFlags, acp } from "./commands/acp.ts";
import { config } from "./commands/config.ts";
import { demo } from "./commands/demo.ts";
import { doctor } from "./commands/doctor.ts";
import { status } from "./commands/status.ts";
import { up } from "./commands/up.ts";
import { dataDirOption, type UpFlags, withUpFlags } from "./commands/up-options.ts";
import { addConcordCommands } from "./concord/register.ts";

const program = new Command("concert")
  .description(
    "Starts, watches and stops the whole platform, walks its main journey, and asks a running one.",
  )
  .showHelpAfterError("(try --help)")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

withUpFlags(
  program.command("up").description("start everything and stay in the foreground"),
).action((flags: UpFlags) => finish(up(flags).then(() => 0)));

program
  .command("demo")
  .description("walk the main journey on a stack of its own, then remove it")
  .addOption(
    new Option("--keep", "keep the data and logs of the demo even when it succeeds").default(false),
  )
  .action(({ keep }: { keep: boolean }) => finish(demo({ keep })));

program
  .command("doctor")
  .description("check whether this machine can run a stack")
  .addOption(dataDirOption())
  .action(({ dataDir }: { dataDir: string }) => finish(doctor(dataDir)));

program
  .command("status")
  .description("show what runs on a data directory")
  .addOption(dataDirOption())
  .action(({ dataDir }: { dataDir: string }) => finish(Promise.resolve(status(dataDir))));

program
  .command("acp")
  .description(
    "be an agent of the Agent Client Protocol on standard input and output, for an editor",
  )
  .addOption(new Option("--url <url>", "the gateway").env("CONCERT_GATEWAY_URL"))
  .addOption(
    new Option("--token-file <file>", "holds who you are; else CONCERT_TOKEN").env(
      "CONCERT_TOKEN_FILE",
    ),
  )
  .addOption(
    new Option("--agent <type>", "which agent new sessions are with")
      .env("CONCERT_AGENT_TYPE")
      .default("concierge"),
  )
  .addOption(dataDirOption())
  .action((flags: AcpFlags) => finish(acp(flags)));

// Its options are those of `concordance ctl`, which also tells its own help.
program
  .enablePositionalOptions()
  .command("config")
  .description(
    "read and write the stack's configuration: config get <namespace> <key>, … (config --help)",
  )
  .addOption(dataDirOption())
  .argument("[words...]")
  .helpOption(false)
  .allowUnknownOption()
  .passThroughOptions()
  .action((words: string[], { dataDir }: { dataDir: string }) => finish(config(dataDir, words)));

addConcordCommands(program, finish);

/** Exits with the code, or with the reason on standard error and 1. */
function finish(work: Promise<number>): Promise<void> {
  return work.then(
    (code) => process.exit(code),
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      const trace =
        process.env["LOG_LEVEL"] === "debug" && error instanceof Error ? error.stack : "";
      process.stderr.write(`concert: ${reason}\n${trace === "" ? "" : `${trace}\n`}`);
      process.exit(1);
    },
  );
}

await program.parseAsync();
