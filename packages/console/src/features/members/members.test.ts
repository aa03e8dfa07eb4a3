import { describe, expect, test } from "vitest";
import { emailProblem, mayChangeRole, mayRemove, roleLabel, rolesToGive } from "./members.ts";

const OWNER = { write: true, remove: true, admin: true };
const ADMIN = { write: true, remove: false, admin: false };
const NOBODY = { write: false, remove: false, admin: false };
const ann = { userId: "ann", role: "owner" } as const;
const bob = { userId: "bob", role: "member" } as const;

describe("what may be done about members", () => {
  test("only who may make owners gives and takes that role", () => {
    expect(rolesToGive(OWNER)).toContain("owner");
    expect(rolesToGive(ADMIN)).toEqual(["admin", "billing_admin", "member", "viewer"]);
    expect(rolesToGive(NOBODY)).toEqual([]);
    expect(mayChangeRole(ann, "bob", ADMIN)).toBe(false);
    expect(mayChangeRole(bob, "eva", ADMIN)).toBe(true);
  });

  test("nobody changes or removes themselves here", () => {
    expect(mayChangeRole(ann, "ann", OWNER)).toBe(false);
    expect(mayRemove(bob, "bob", OWNER)).toBe(false);
    expect(mayRemove(bob, "ann", OWNER)).toBe(true);
    expect(mayRemove(bob, "eva", ADMIN)).toBe(false);
  });
});

test("a role has a name, an address has an @", () => {
  expect(roleLabel("billing_admin")).toBe("Billing admin");
  expect(emailProblem(" ann@acme.test ")).toBeNull();
  expect(emailProblem("ann")).not.toBeNull();
});
