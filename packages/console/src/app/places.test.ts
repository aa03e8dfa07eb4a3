import { expect, test } from "vitest";
import { placesFor } from "./places.ts";
import { PLACES } from "./use-route.ts";

test.each([
  [["owner"], PLACES],
  [["viewer"], ["inbox", "questions", "automations", "incidents"]],
  [["member"], ["inbox", "questions", "automations", "incidents"]],
  [["billing_admin"], ["inbox", "questions", "automations", "incidents", "credits"]],
  [["finance_approvers"], []],
])("%o are offered %o", (roles, places) => {
  expect(placesFor(roles)).toEqual(places);
});
