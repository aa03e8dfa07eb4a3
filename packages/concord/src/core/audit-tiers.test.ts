import { expect, test } from "vitest";
import {
  AUDIT_RECORDS,
  AUDIT_TIERS,
  type AuditRecord,
  missingRecords,
  recordsOf,
  tierReached,
} from "./audit-tiers.ts";

test("AUD-13 V-68 five tiers, and each says what is on record", () => {
  const table = Object.fromEntries(AUDIT_TIERS.map((tier) => [tier, recordsOf(tier).join(" ")]));
  expect(table).toEqual({
    ephemeral: "trace",
    observable: "trace metric",
    domain_event: "trace metric event",
    durable: "trace metric event command policy",
    high_risk: "trace metric event command policy approval artifact idempotency compensation",
  });
});

test("AUD-13 a tier is reached when nothing of it is missing, whatever else is there", () => {
  for (const [at, tier] of AUDIT_TIERS.entries()) {
    expect(missingRecords(tier, new Set(recordsOf(tier)))).toEqual([]);
    expect(tierReached(new Set(recordsOf(tier)))).toBe(tier);
    if (at > 0) expect(missingRecords(tier, new Set<AuditRecord>())).toEqual(recordsOf(tier));
  }
  const all = new Set<AuditRecord>(AUDIT_RECORDS);
  all.delete("compensation");
  expect(tierReached(all)).toBe("durable");
  expect(missingRecords("high_risk", all)).toEqual(["compensation"]);
});
