/**
 * Owns who may write where several gateways share the databases. A tenant's registry numbers its claims; whoever claims
 * is the only writer from that commit on, in the registry at once and in a session from when it is opened under the new
 * number. What an earlier owner still sends is refused here, however late it comes and whatever it believes.
 */
import type { Database } from "bun:sqlite";
import type { WriterCommand } from "./storage.ts";
import type { ClaimTenant } from "./stored-registry.ts";

/** The write comes from a gateway that is not the owner any more. */
export class Superseded extends Error {}

/** Claims kept for a look at who owned the tenant when. */
const KEPT = 100;

export function claimTenant(database: Database, { gatewayId, nowMs }: ClaimTenant): number {
  const number = claimOfRegistry(database) + 1;
  database.query("INSERT INTO claims VALUES (?, ?, ?)").run(number, gatewayId, nowMs);
  database.query("DELETE FROM claims WHERE number <= ?").run(number - KEPT);
  return number;
}

/** Throws `Superseded` unless `claim` is the newest. Run in the transaction of the command itself. */
export function assertClaim(database: Database, command: WriterCommand, claim: number): void {
  if (command.kind === "claim_tenant") return;
  const known = "tenantId" in command ? claimOfRegistry(database) : claimOfSession(database);
  const isNewer = command.kind === "open_session" && claim > known;
  if (claim !== known && !isNewer) {
    throw new Superseded(`claim ${claim} has been superseded by ${known}`);
  }
  if (isNewer) {
    database.query("INSERT OR REPLACE INTO meta VALUES ('claim', ?)").run(String(claim));
  }
}

function claimOfRegistry(database: Database): number {
  const row = database
    .query<{ number: number | null }, []>("SELECT MAX(number) AS number FROM claims")
    .get();
  return row?.number ?? 0;
}

function claimOfSession(database: Database): number {
  const row = database
    .query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'claim'")
    .get();
  return Number(row?.value ?? 0);
}
