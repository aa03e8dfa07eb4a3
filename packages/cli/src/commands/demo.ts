/**
 * Owns `concert demo`: the main journey on a stack of its own, told on the terminal and checked from
 * outside. Succeeds only when the vendor holds exactly one booking and the record is whole.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingKinds, readBookings, readTimeline } from "../demo/checks.ts";
import { walkJourney } from "../demo/journey.ts";
import { tellEvent, tellReviewPacket, tellTimeline } from "../demo/transcript.ts";
import { SERVICE_NAMES } from "../stack/services.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { Progress } from "../terminal/Progress.ts";

/** Resolves with 0 on success; on failure keeps data and logs, says where, and resolves with 1. */
export async function demo({ keep }: { readonly keep: boolean }): Promise<number> {
  const dataDir = mkdtempSync(join(tmpdir(), "concert-demo-"));
  stopWhenTold();
  try {
    await runOn(dataDir);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(
      `\nThe demo failed: ${reason}\nThe logs are in ${join(dataDir, "logs")}\n`,
    );
    return 1;
  }
  if (keep) say(`\nKept: ${dataDir}`);
  else rmSync(dataDir, { recursive: true });
  return 0;
}

async function runOn(dataDir: string): Promise<void> {
  const stack = await startOn(dataDir);
  try {
    await walk(stack);
  } finally {
    await stack.stop();
  }
}

async function startOn(dataDir: string): Promise<Stack> {
  const services = SERVICE_NAMES.filter((name) => name !== "console");
  const screen = {
    isTTY: process.stdout.isTTY === true,
    write: (text: string) => void process.stdout.write(text),
  };
  const progress = new Progress(services, screen);
  let starting = true;
  say("Starting a stack of its own:");
  return startStack({
    dataDir,
    ports: "free",
    services,
    onChange: (change) => {
      if (starting) progress.update(change, Date.now());
    },
  }).finally(() => {
    starting = false;
    progress.finish();
  });
}

async function walk({ urls, keys }: Stack): Promise<void> {
  const { commandId } = await walkJourney(urls.diminuendo, {
    onEvent: (event) => void process.stdout.write(tellEvent(event)),
    onApproval: ({ reviewPacket }) => say(`\n${tellReviewPacket(reviewPacket)}\n\nYou    approve`),
  });
  const entries = await readTimeline(urls.diminuendo, commandId);
  say(`\nThe record of ${commandId}:\n\n${tellTimeline(entries)}`);
  say(`\n${entries.length} audit rows, append-only, committed with the changes they explain.`);
  const missing = missingKinds(entries);
  if (missing.length > 0) throw new Error(`the record has no entry of kind ${missing.join(", ")}`);
  const bookings = await readBookings(urls.vendor, keys.hotelVendorApiKey);
  const [booking] = bookings;
  if (booking === undefined || bookings.length !== 1) {
    throw new Error(`the vendor holds ${bookings.length} bookings instead of one`);
  }
  say(
    `\nThe vendor holds exactly one booking: ${booking.confirmation_code}, ${booking.hotel_name}.`,
  );
}

/** Services end with this process, however it ends (supervisor P2); the data stays for a look. */
function stopWhenTold(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
