/** The SDK's table of roles is the gateway's. */
import { expect, test } from "bun:test";
import { GRANTS } from "@concert/diminuendo/protocol";
import { ROLE_GRANTS, rolesAllow } from "../src/roles.ts";

test("what a role may do is what the gateway says", () => {
  expect(ROLE_GRANTS).toEqual(GRANTS);
});

test("a group that is no role, and no role at all, grant nothing", () => {
  expect(rolesAllow(["finance_approvers", "member"], "session:write")).toBe(true);
  expect(rolesAllow(["finance_approvers", "toString"], "session:read")).toBe(false);
  expect(rolesAllow([], "session:read")).toBe(false);
});
