import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isTenantVariable, tenantVariables } from "../src/tenant-variable.ts";

const PREFIX = "SECRET_";
const tenant = fc.oneof(
  fc.string({ minLength: 1, maxLength: 6 }),
  fc
    .array(fc.constantFrom("a", "b", "1", "-", "_", "x", "A", "5f", "."), {
      minLength: 1,
      maxLength: 6,
    })
    .map((parts) => parts.join("")),
);

describe("SEC-7 variables of tenants", () => {
  test("are named so that a person can write them", () => {
    expect(tenantVariables(PREFIX, "acme")).toBe("SECRET_ACME__");
    expect(tenantVariables(PREFIX, "acme-1")).toBe("SECRET_ACME_1__");
    expect(tenantVariables(PREFIX, "org_7")).toBe("SECRET_ORGx5fx7__");
    expect(isTenantVariable("SECRET_ACME__SHOP_2", PREFIX, "acme")).toBe(true);
    for (const other of [
      "SECRET_ACME",
      "SECRET_ACME__",
      "SECRET_ACME__a",
      "SECRET_ACME__A__B",
      "PATH",
    ]) {
      expect(isTenantVariable(other, PREFIX, "acme")).toBe(false);
    }
  });

  test("are of one tenant only, whatever tenants are called", () => {
    fc.assert(
      fc.property(tenant, tenant, (one, other) => {
        const variable = `${tenantVariables(PREFIX, one)}HOOK`;
        expect(isTenantVariable(variable, PREFIX, one)).toBe(true);
        expect(isTenantVariable(variable, PREFIX, other)).toBe(one === other);
      }),
      { numRuns: 2_000 },
    );
  });
});
