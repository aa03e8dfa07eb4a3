import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "./json.ts";
import {
  recordedInput,
  SECRET_CHARACTERS_MIN,
  scrubberOf,
  withoutCredentials,
  withoutWriteOnly,
} from "./redaction.ts";

const secretText = fc
  .oneof(
    fc.string({ minLength: SECRET_CHARACTERS_MIN, maxLength: 40 }),
    fc.string({ minLength: SECRET_CHARACTERS_MIN, maxLength: 40, unit: "grapheme" }),
    fc.base64String({ minLength: 8, maxLength: 40 }),
  )
  .filter(
    (one) =>
      !/\p{Surrogate}/u.test(one) &&
      one.trim().length >= SECRET_CHARACTERS_MIN &&
      !"[redacted]".includes(one),
  );
const FORMS: Readonly<Record<string, (secret: string) => string>> = {
  "as it is": (one) => one,
  "in a URL": encodeURIComponent,
  "in a form": (one) => new URLSearchParams({ "": one }).toString().slice(1),
  "in JSON": (one) => JSON.stringify(one),
};

describe("scrubbing", () => {
  test.each(Object.entries(FORMS))(
    "SEC-3 CON-8 a secret %s is gone, whatever stands around it",
    (_name, form) => {
      fc.assert(
        fc.property(secretText, fc.string(), fc.string(), (secret, before, after) => {
          const scrub = scrubberOf([secret]);
          const told = `${before}${form(secret)}${after}`;
          expect(scrub.text(told)).not.toContain(secret);
          const inside = scrub.json({ [told]: [told, { deep: told }], number: 1, nothing: null });
          expect(JSON.stringify(inside)).not.toContain(JSON.stringify(secret).slice(1, -1));
        }),
      );
    },
  );

  test("SEC-3 a secret inside Base64 is gone, wherever in it, also for URLs", () => {
    fc.assert(
      fc.property(
        secretText,
        fc.string({ maxLength: 5 }),
        fc.string({ maxLength: 5 }),
        (secret, before, after) => {
          for (const encoding of ["base64", "base64url"] as const) {
            const encoded = Buffer.from(`${before}${secret}${after}`).toString(encoding);
            const told = scrubberOf([secret]).text(`Basic ${encoded}`);
            expect(Buffer.from(told.slice(6), encoding).toString()).not.toContain(secret);
          }
        },
      ),
    );
  });

  test("SEC-3 a connection string is a secret, and so is the password in it", () => {
    const scrub = scrubberOf(["postgres://reader:p%40ssw0rd-1@db.example:5432/sales"]);
    for (const told of [
      "p@ssw0rd-1",
      "p%40ssw0rd-1",
      "postgres://reader:p%40ssw0rd-1@db.example:5432/sales",
    ]) {
      expect(scrub.text(`login failed with ${told}`)).toBe("login failed with [redacted]");
    }
    expect(scrub.text("reader at db.example")).toBe("reader at db.example");
  });

  test("what holds no secret is left as it is", () => {
    const value = { a: ["b", 1, true, null], c: { d: "ordinary text" } };
    expect(scrubberOf(["hunter2-hunter2"]).json(value)).toEqual(value);
    expect(scrubberOf([]).text("anything")).toBe("anything");
  });
});

describe("the input that goes on record", () => {
  const schema = {
    type: "object",
    properties: {
      pin: { type: "string", writeOnly: true },
      guests: { type: "array", items: { properties: { passport: { writeOnly: true } } } },
    },
  };

  test("CON-8 what the schema marks writeOnly and what looks like personal data is masked", () => {
    const input = {
      pin: "1234",
      guests: [{ passport: "X1", name: "Ann" }, { name: "Bob" }],
      note: "write to ann@example.com",
      amount: 5,
    };
    expect(recordedInput(schema, input)).toEqual({
      pin: "[redacted]",
      guests: [{ passport: "[redacted]", name: "Ann" }, { name: "Bob" }],
      note: "[redacted]",
      amount: 5,
    });
    expect(withoutWriteOnly(schema, input)["note"]).toBe(input.note);
    expect(withoutWriteOnly(undefined, input)).toEqual(input);
  });

  test("CON-8 what is too large is told by its fields", () => {
    expect(recordedInput(undefined, { a: "x".repeat(10_000), b: 1 })).toEqual({
      too_large: true,
      fields: ["a", "b"],
    });
  });
});

describe("what goes on record for ever", () => {
  const token = `ghp_${"a1B2".repeat(6)}`;

  test("AUD-12 a credential is known by its shape within any text, or by the name of its field", () => {
    const given = {
      why: `use ${token}, please`,
      deep: [{ list: [`Bearer eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl`] }],
      key: "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
      api_key: "anything",
      password: { of: "anna" },
      secret: null,
    };
    expect(withoutCredentials(given)).toEqual({
      why: "use [redacted], please",
      deep: [{ list: ["Bearer [redacted]"] }],
      key: "[redacted]",
      api_key: "[redacted]",
      password: "[redacted]",
      secret: null,
    });
  });

  test("AUD-12 what holds none is the very same, and clearing twice is clearing once", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.boolean(), (value, planted) => {
        const json = (planted ? { value, note: token } : { value }) as JsonObject;
        const clean = withoutCredentials(json);
        expect(withoutCredentials(clean)).toBe(clean);
        expect(JSON.stringify(clean)).not.toContain(token);
      }),
    );
    const plain = { a: ["b", 1, true, null], c: { d: "task-force-of-risk-management-2027" } };
    expect(withoutCredentials(plain)).toBe(plain);
  });
});
