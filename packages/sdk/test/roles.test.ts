/** The gateway's table of roles, asked by a program. */
import { expect, test } from "bun:test";
import { rolesAllow } from "../src/roles.ts";

test("a role grants what the gateway says", () => {
  expect(rolesAllow(["finance_approvers", "member"], "session:write")).toBe(true);
  expect(rolesAllow(["member"], "session:delete")).toBe(false);
  expect(rolesAllow(["viewer", "admin"], "session:delete")).toBe(true);
});

test("a group that is no role, and no role at all, grant nothing", () => {
  expect(rolesAllow(["finance_approvers", "toString"], "session:read")).toBe(false);
  expect(rolesAllow([], "session:read")).toBe(false);
});
