/**
 * Owns the contracts under which an agent may book hotels: what it may ask for, who has to agree, what happens
 * once and how it is undone. Only public exports of @concert/concord are used. Refuses to own: the vendor.
 */
import { defineContracts } from "@concert/concord";
import { hotelPolicies } from "./policies.ts";
import { cancelTask, confirmTask, draftTask, searchTask } from "./tasks.ts";
import { HOTEL_OPERATIONS, hotelConnector } from "./vendor-connector.ts";

export default defineContracts((catalog) => {
  catalog.connector(hotelConnector);
  for (const policy of hotelPolicies(HOTEL_OPERATIONS)) catalog.policy(policy);
  catalog.artifactType({ name: "booking_draft", description: "An offer that may be confirmed." });
  catalog.artifactType({ name: "booking_confirmation", description: "A stay that is booked." });
  catalog.approvalType({
    name: "finance_approval",
    description: "Spending above the travel limit.",
    defaultExpiryMinutes: 48 * 60,
    // The proposer is the agent; in a small team the person who asked may well hold the purse.
    allowSelfApproval: true,
  });
  catalog.compensation({
    name: "cancel_reservation",
    of: "hotel_booking.book",
    connector: "hotel_booking",
    operation: "cancel_reservation",
    input: ({ effect }) => ({ booking_id: effect.result["booking_id"] ?? null }),
  });
  catalog.task(searchTask);
  catalog.task(draftTask);
  catalog.task(confirmTask);
  catalog.task(cancelTask);
});
