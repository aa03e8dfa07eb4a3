import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inTemporaryDirectory } from "../process.ts";

interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** What must notice. */
  readonly law: RegExp;
}

/**
 * Each is a known way to get Raft wrong; the same simulation that passes must catch it. Mistakes that the
 * driver's order of work hides (pitfall 2) or that need rarer luck (7, 13, 14) are caught by name in
 * service/raft/node.test.ts instead.
 */
const MUTANTS: readonly Mutant[] = [
  {
    name: "pitfall 1: a second vote in a term",
    file: "election.ts",
    find: "const free = state.votedFor === null || state.votedFor === request.from;",
    replace: "const free = true;",
    law: /C2/,
  },
  {
    name: "pitfall 1: a vote is not written",
    file: "node.ts",
    find: "const news = term !== before.term || votedFor !== before.votedFor;",
    replace: "const news = term !== before.term;",
    law: /C2/,
  },
  {
    name: "pitfall 10: votes for a log that lacks entries",
    file: "election.ts",
    find: "request.lastTerm > ownTerm ||",
    replace: "request.lastTerm >= 0 ||",
    law: /completeness|C1|C3|never replaced/,
  },
  {
    name: "pitfall 15: truncation on every message",
    file: "replication.ts",
    find: "return found === -1 ? request.entries.length : found;",
    replace: "return 0;",
    law: /completeness|C1|C3|never replaced|holes|match past/,
  },
  {
    name: "pitfall 16: commit beyond what the message proved",
    file: "replication.ts",
    find: "Math.min(request.commitIndex, matchIndex)",
    replace: "Math.min(request.commitIndex, accepted.log.lastIndex)",
    law: /C1|C3|never replaced/,
  },
  {
    name: "pitfall 30: a read without a round of messages",
    file: "reads.ts",
    find: "const heard = quorumIndex(acked) >= ticket.round;",
    replace: "const heard = acked.length > 0;",
    law: /not linearizable/,
  },
  {
    name: "pitfall 30: a read before the term's own entry is committed",
    file: "reads.ts",
    find: "const index = Math.max(state.commitIndex, state.role.termStartIndex);",
    replace: "const index = 0;",
    law: /not linearizable/,
  },
  {
    name: "pitfall 32: stamps from the wall clock alone",
    file: "replication.ts",
    find: "const timeMs = Math.max(Math.trunc(moment.wallMs), state.lastTimeMs);",
    replace: "const timeMs = Math.trunc(moment.wallMs);",
    law: /C5/,
  },
  {
    name: "majority: half is enough",
    file: "quorum.ts",
    find: "return Math.floor(memberCount / 2) + 1;",
    replace: "return Math.max(1, Math.floor(memberCount / 2));",
    law: /C1|C2|C3|completeness/,
  },
  {
    name: "pitfall 26: several membership changes at once",
    file: "node.ts",
    find: "if (state.commitIndex < role.termStartIndex || uncommitted || role.transfer !== null)",
    replace: "if (role.transfer !== null && uncommitted)",
    law: /one uncommitted membership change|C1|C2/,
  },
];
const SEEDS = 100;
const ROOT = join(import.meta.dir, "../..");

/** The first broken law, or null. The mutated code runs in a process of its own, from a copy. */
async function firstViolation(folder: string, mutant: Mutant): Promise<string | null> {
  for (const part of ["service", "shared", "test/sim"]) {
    mkdirSync(join(folder, dirname(part)), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  const path = join(folder, "service/raft", mutant.file);
  const source = readFileSync(path, "utf8");
  expect(source.split(mutant.find)).toHaveLength(2);
  writeFileSync(path, source.replace(mutant.find, mutant.replace));
  const script = `
    const { simulate } = await import(${JSON.stringify(join(folder, "test/sim/run.ts"))});
    for (let seed = 1; seed <= ${SEEDS}; seed += 1) {
      try { simulate(seed); } catch (error) { process.stdout.write("seed " + seed + ": " + error.message); break; }
    }`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const said = await new Response(child.stdout).text();
  await child.exited;
  return said === "" ? null : said;
}

describe("the simulation catches each deliberate mistake", () => {
  for (const mutant of MUTANTS) {
    test(mutant.name, async () => {
      await inTemporaryDirectory(async (folder) => {
        const violation = await firstViolation(folder, mutant);
        expect(violation ?? "nothing was noticed").toMatch(mutant.law);
      });
    }, 60_000);
  }
});
