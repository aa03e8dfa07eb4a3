/** Owns which test file stands on which level (spec §47; TST-1): every file on one, and each level can be run by itself. */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const LEVELS = ["unit", "boundary", "integration", "workflow", "safety"] as const;
export type Level = (typeof LEVELS)[number];

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Beside sources: what needs no database and no engine; adapters talk to servers. */
const UNIT = /^src\/(?!adapters\/)/;
/** In `test/`, by the beginnings of their names; whatever is not named here is integration. */
const NAMED: Readonly<Partial<Record<Level, readonly string[]>>> = {
  boundary: ["boundaries", "layout", "levels"],
  workflow: [
    "agent-turn",
    "approvals",
    "commands",
    "compensation",
    "crash",
    "declared.",
    "dependencies",
    "kill-everywhere",
    "publication",
    "questions",
    "rolling-version",
    "runtimes",
    "schedules",
    "take-back",
    "take-over",
    "webhooks",
  ],
  safety: [
    "agent-owns-nothing",
    "agent-tools",
    "api-people",
    "application-role",
    "audit-chain",
    "evidence",
    "fault-injection",
    "policies",
    "redaction",
    "security-layers",
    "tenants",
    "ungoverned",
  ],
};

/** `path` from the package's root. */
export function levelOf(path: string): Level {
  if (UNIT.test(path)) return "unit";
  const name = path.replace(/^test\//, "");
  const found = LEVELS.find((level) => NAMED[level]?.some((start) => name.startsWith(start)));
  return found ?? "integration";
}

/** Every test file of the package, from its root. */
export function testFiles(): readonly string[] {
  return ["src", "test"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile() && one.name.endsWith(".test.ts"))
      .map((one) => relative(ROOT, join(one.parentPath, one.name)))
      .sort(),
  );
}
