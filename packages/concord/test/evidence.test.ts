/** Evidence of one command as a file: complete, checked without Concord, and any changed byte is noticed. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Evidence,
  packEvidence,
  unpackEvidence,
  verifyEvidence,
} from "../src/evidence/index.ts";
import { encodeId } from "../src/index.ts";
import {
  ANNA,
  EVE,
  FRED,
  type Harness,
  refusalOf,
  startHarness,
  TRACE,
} from "./support/harness.ts";

let harness: Harness;
let text: string;
let id: string;
beforeAll(async () => {
  harness = await startHarness();
  const { command } = await harness.submit({ amount: 900 });
  id = encodeId("command", command.commandId);
  const { approvalId } = await harness.approvalOf(command);
  const decided = { approvalId: encodeId("approval", approvalId), decision: "approved" } as const;
  await harness.concord.approvals.resolve({ ...decided, principal: FRED, traceId: TRACE });
  await harness.settled(command);
  const other = await harness.submit();
  await harness.settled(other.command);
  // An event is sealed once every transaction that was open beside it has ended.
  do {
    text = await harness.concord.evidence(ANNA, id);
  } while (verifyEvidence(text).unsealed > 0);
});
afterAll(() => harness.stop());

/** The file as somebody would write it who knows the format. */
const forged = (change: (evidence: Evidence) => Evidence) =>
  verifyEvidence(packEvidence(change(unpackEvidence(text))));

describe("evidence", () => {
  test("AUD-5 it holds who asked, what was judged, who approved, what happened, and it is intact", () => {
    const report = verifyEvidence(text);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ intact: true, commandId: id, tenantId: "t1", commands: 1 });
    const evidence = unpackEvidence(text);
    expect(evidence.commands[0]).toMatchObject({ requested_by: "anna", status: "succeeded" });
    expect(evidence.policy_decisions.length).toBeGreaterThan(0);
    expect(evidence.approvals).toMatchObject([{ decided_by: "fred", decision: "approved" }]);
    expect(evidence.effects).toMatchObject([{ status: "succeeded", effect_type: "shop.buy" }]);
    expect(evidence.invocations).toMatchObject([{ status: "succeeded" }]);
    expect(evidence.artifacts).toMatchObject([{ artifact_type: "receipt" }]);
    expect(report.events).toBeGreaterThan(10);
  });

  test("its head is one that the running Concord knows", async () => {
    const { head } = verifyEvidence(text);
    const auditor = { ...ANNA, roles: ["auditor"] };
    const report = await harness.concord.verifyAudit(auditor, { known: head ?? "" });
    expect(report.problems).toEqual([]);
    expect(verifyEvidence(text, head ?? "").intact).toBe(true);
    expect(verifyEvidence(text, "00").problems).toEqual([
      "the head that was kept is not in this chain",
    ]);
  });

  test("any changed, missing or added byte is noticed", () => {
    const bytes = Buffer.from(text);
    const at = fc.integer({ min: 0, max: bytes.length - 1 });
    fc.assert(
      fc.property(at, fc.integer({ min: 1, max: 255 }), (place, by) => {
        const changed = Buffer.from(bytes);
        changed[place] = ((changed[place] ?? 0) + by) % 256;
        const removed = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
        const added = Buffer.concat([
          bytes.subarray(0, place),
          Buffer.from([by]),
          bytes.subarray(place),
        ]);
        for (const one of [changed, removed, added]) {
          // Text that is not UTF-8 is read with replacement characters: it is another text.
          if (one.toString("utf8") === text) continue;
          if (verifyEvidence(one.toString("utf8")).intact) return false;
        }
        return true;
      }),
      { numRuns: 300 },
    );
    expect(verifyEvidence("").intact).toBe(false);
    expect(verifyEvidence(`${text}x`).intact).toBe(false);
  });

  test("a forger who mends the digest is caught by the chain or by the events", () => {
    const [first] = unpackEvidence(text).events;
    const changed = { ...first, text: (first?.text ?? "").replace("anna", "eve") } as typeof first &
      object;
    expect(forged((e) => ({ ...e, events: [changed, ...e.events.slice(1)] })).problems[0]).toMatch(
      /was changed/,
    );
    expect(forged((e) => ({ ...e, events: e.events.slice(1) })).problems[0]).toMatch(
      /not created once/,
    );
    expect(forged((e) => ({ ...e, events: [...e.events].reverse() })).problems[0]).toMatch(/order/);
    expect(
      forged((e) => ({ ...e, commands: e.commands.map((one) => ({ ...one, status: "failed" })) }))
        .problems[0],
    ).toMatch(/its events say succeeded/);
    expect(
      forged((e) => ({
        ...e,
        approvals: e.approvals.map((one) => ({ ...one, decision: "rejected" })),
      })).problems[0],
    ).toMatch(/events say otherwise/);
    expect(
      forged((e) => ({ ...e, seals: e.seals.map((one) => ({ ...one, hash: "00" })) })).problems
        .length,
    ).toBeGreaterThan(0);
    expect(forged((e) => ({ ...e, seals: [] })).problems[0]).toMatch(/its seal is missing/);
    expect(forged((e) => ({ ...e, tenant_id: "t2" })).problems[0]).toMatch(/another command/);
  });

  test("SEC-7 another tenant cannot export it, nor a colleague who did not ask; an auditor can", async () => {
    const { evidence } = harness.concord;
    expect(await refusalOf(evidence(EVE, id))).toBe("not_found");
    expect(await refusalOf(evidence(FRED, id))).toBe("forbidden");
    expect(verifyEvidence(await evidence({ ...FRED, roles: ["auditor"] }, id)).problems).toEqual(
      [],
    );
  });
});
