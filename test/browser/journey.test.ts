/**
 * The main journey in a real browser over a real stack: sign in, ask, approve, read the record, and reload in
 * mid-answer.
 */
import { expect, test } from "bun:test";
import { confirmationCode, describeInBrowser, OpenConsole } from "../support/browser.ts";
import { FOR_A_COLLEAGUE, GUEST, REQUEST } from "../support/journey.ts";
import { TEST_TIMEOUT_MS } from "../support/stack.ts";
import { vendorOf } from "../support/vendor.ts";

describeInBrowser("the console in a browser", () => {
  const open = new OpenConsole();
  const { complaints } = open;
  const byId = (id: string) => open.byId(id);

  test(
    "sign in, ask, approve, be told the confirmation, and read the record",
    async () => {
      await byId("new-session").first().click();
      await byId("composer").waitFor();
      await open.picture("1-new-session");
      await open.say(REQUEST);
      await byId("approval-card").first().waitFor();
      await open.picture("2-approval");
      expect(await byId("approval-card").first().textContent()).toContain("Grand Hotel Miramar");
      await byId("approve").first().click();
      const code = await confirmationCode(open.stack);
      await byId("message-assistant").filter({ hasText: code }).first().waitFor();
      await open.picture("3-confirmed");
      await byId("record-panel").waitFor();
      expect(await byId("record-panel").textContent()).toMatch(/approv/i);
      await open.picture("4-record");
      expect(await vendorOf(open.stack).bookings()).toHaveLength(1);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a reload in mid-answer shows the same conversation",
    async () => {
      await open.begin(REQUEST.replace("3 to 5", "10 to 12"));
      await byId("message-assistant").first().waitFor();
      await open.page.reload();
      await byId("approval-card").first().waitFor();
      const before = await open.page.getByTestId("message-assistant").allTextContents();
      // One message before each of the three calls: what streamed before the reload is not there twice.
      expect(before).toHaveLength(3);
      expect(new Set(before).size).toBe(3);
      expect(await byId("message-user").count()).toBe(1);
      await open.picture("5-after-reload");
      await open.page.reload();
      await byId("approval-card").first().waitFor();
      expect(await open.page.getByTestId("message-assistant").allTextContents()).toEqual(before);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a question is a form: what is missing is pointed at, a reload loses nothing, the answer goes on",
    async () => {
      await open.begin(FOR_A_COLLEAGUE);
      await byId("question-card").waitFor();
      await byId("answer").click();
      const name = open.page.locator('[data-field="guest_name"]');
      await open.page.getByText("This is needed.").first().waitFor();
      await open.picture("6-question");
      await open.page.reload();
      await byId("question-card").waitFor();
      await name.fill(GUEST.guest_name);
      await open.page.locator('[data-field="guest_email"]').fill(GUEST.guest_email);
      await open.page.keyboard.press("Enter");
      await open.page
        .locator('[data-testid="question-outcome"][data-outcome="answered"]')
        .waitFor();
      await byId("message-assistant").filter({ hasText: "Casa do Rossio" }).last().waitFor();
      await byId("show-record").last().waitFor();
      expect(vendorOf(open.stack).guests().at(-1)).toEqual(GUEST);
      await open.picture("7-answered");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
