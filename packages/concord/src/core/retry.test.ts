import { expect, test } from "vitest";
import { compilePolicy, RETRYABLE, retryOf, retryProblems, waitBeforeRetryMs } from "./retry.ts";
import { ERROR_CLASSES } from "./vocabulary.ts";

test("RTY-1 an operation that says nothing is tried three times, after 30 s and 120 s, when the failure may pass", () => {
  expect(compilePolicy("shop.buy")).toEqual({
    operation: "shop.buy",
    attemptsMax: 3,
    waitsSeconds: [30, 120, 600],
    retryable: ["transient_connector_error", "rate_limited", "timeout", "temporary_database_error"],
    requiresIdempotencyKey: false,
  });
});

test("RTY-1 what is declared holds, and only the classes it names are tried again", () => {
  const policy = compilePolicy("shop.buy", { attemptsMax: 2, retryable: ["rate_limited"] });
  for (const one of ERROR_CLASSES) {
    expect([one, waitBeforeRetryMs(policy, 1, one)]).toEqual([
      one,
      one === "rate_limited" ? 30_000 : undefined,
    ]);
  }
});

test("RTY-7 the short form of the specification declares the same", () => {
  const { operation, ...metadata } = {
    operation: "hotel_booking.search",
    retry_class: "transient_connector_error",
    max_attempts: 3,
    requires_idempotency_key: true,
  } as const;
  expect(compilePolicy(operation, retryOf(metadata))).toEqual({
    operation: "hotel_booking.search",
    attemptsMax: 3,
    waitsSeconds: [30, 120, 600],
    retryable: ["transient_connector_error"],
    requiresIdempotencyKey: true,
  });
  expect(compilePolicy("a.b", retryOf({}))).toEqual(compilePolicy("a.b"));
});

test("RTY-3 RTY-5 what could not be kept is said before anything runs", () => {
  const problems = (declared: Parameters<typeof compilePolicy>[1], hasKey = true) =>
    retryProblems(compilePolicy("shop.buy", declared), hasKey);
  expect(problems({})).toEqual([]);
  expect(problems({ attemptsMax: 0 })).toEqual(["attemptsMax is below 1"]);
  const never = ERROR_CLASSES.filter((one) => !RETRYABLE.includes(one));
  for (const one of never) expect(problems({ retryable: [one] })[0]).toContain(`${one} is never`);
  expect(problems({ requiresIdempotencyKey: true })).toEqual([]);
  expect(problems({ requiresIdempotencyKey: true }, false)[0]).toContain("keyTemplate");
});
