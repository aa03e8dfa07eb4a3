import { expect, test } from "vitest";
import {
  apiRequestKey,
  approvalDecisionKey,
  fileKey,
  scheduleKey,
  userActionKey,
  webhookKey,
} from "./idempotency-keys.ts";

test("CMD-16 one key per source and happening, whatever the order of the parts' names", () => {
  const keys = [
    webhookKey({ provider: "a", eventId: "b" }),
    userActionKey({ user: "a", actionId: "b" }),
    fileKey({ path: "a", version: "b" }),
    scheduleKey({ job: "a", windowStart: "b" }),
    approvalDecisionKey({ approvalId: "a" }),
    apiRequestKey({ client: "a", requestId: "b" }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(webhookKey({ eventId: "b", provider: "a" })).toBe(keys[0]);
});

test("CMD-16 no choice of parts reads like another one", () => {
  expect(fileKey({ path: "a:b", version: "c" })).not.toBe(fileKey({ path: "a", version: "b:c" }));
  expect(() => webhookKey({ provider: "a", eventId: "" })).toThrow(RangeError);
});
