/**
 * The pages beside the sessions, in a real browser over a real stack: an automation made, run and read in the inbox;
 * questions, incidents, credits and members; and words said while the agent works.
 */
import { expect, test } from "bun:test";
import { describeInBrowser, OpenConsole } from "../support/browser.ts";
import { concordOf } from "../support/concord.ts";
import { SLOW_MODEL } from "../support/cut.ts";
import { FOR_A_COLLEAGUE, GUEST } from "../support/journey.ts";
import { eventually, TEST_TIMEOUT_MS } from "../support/stack.ts";
import { vendorOf } from "../support/vendor.ts";

describeInBrowser("the console's pages", () => {
  const open = new OpenConsole({ ...SLOW_MODEL.env, HOTEL_RETRY_FACTOR: "0" });
  const { complaints } = open;
  const byId = (id: string) => open.byId(id);
  const picture = (name: string) => open.picture(name);
  const go = (place: string) => open.go(place);

  test(
    "an automation: refused where it is wrong, made, run now, and its result is done with in the inbox",
    async () => {
      await go("automations");
      await byId("empty").waitFor();
      await picture("places-1-automations-empty");
      await byId("new-automation").click();
      await byId("create-automation").click();
      const form = byId("automation-form");
      await form.locator('[aria-invalid="true"]').first().waitFor();
      await picture("places-2-automation-problems");
      await form.getByLabel("Name").fill("Lisbon, every morning");
      await form
        .getByLabel("What the agent is told")
        .fill("Which hotels do you know in Lisbon from 3 to 5 March for 2 guests?");
      await byId("create-automation").click();
      const card = byId("automation").first();
      await card.waitFor();
      expect(await card.textContent()).toContain("Every day at 09:00");
      await card.locator('[data-action="run"]').click();
      await byId("show-runs").click();
      await open.page.locator('[data-testid="automation-run"][data-status="succeeded"]').waitFor();
      await picture("places-3-automation-runs");
      await card.locator('[data-action="pause"]').click();
      await card.locator('[data-action="resume"]').waitFor();
      await byId("unread").waitFor();
      await go("inbox");
      const item = byId("inbox-item").first();
      await item.waitFor();
      expect(await item.textContent()).toContain("Lisbon, every morning");
      await picture("places-4-inbox");
      await item.locator('[data-action="done"]').click();
      await byId("empty").waitFor();
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "an automation is changed in every way: wrong values at their fields, saved, kept, and shown again",
    async () => {
      await go("automations");
      const card = byId("automation").first();
      await card.locator('[data-action="edit"]').click();
      const form = byId("automation-form");
      expect(await form.getByLabel("Name").inputValue()).toBe("Lisbon, every morning");
      await form.getByLabel("Name").fill("Porto, on weekdays");
      await form.getByLabel("How often").selectOption("weekdays");
      await form.getByLabel("At", { exact: true }).fill("07:30");
      await byId("more-fields").locator("summary").click();
      const field = (path: string) => form.locator(`[data-path="${path}"]`);
      await field("retries.max").fill("99");
      await field("missed.policy").selectOption("catch_up");
      await field("missed.max").fill("3");
      await field("overlap").selectOption("queue");
      await field("delivery.task.name").fill("tell_person");
      await field("delivery.task.payload").fill("{");
      await byId("save-automation").click();
      await form.getByText("needs a JSON object").waitFor();
      await field("delivery.task.payload").fill('{"recipient": "anna", "title": "{{automation}}"}');
      await byId("save-automation").click();
      await form.locator('[data-path="retries.max"][aria-invalid="true"]').waitFor();
      await picture("places-3b-automation-changed");
      await field("retries.max").fill("4");
      await byId("save-automation").click();
      await form.waitFor({ state: "detached" });
      expect(await card.textContent()).toContain("Monday to Friday at 07:30");
      const kept = await fetch(`${open.stack.urls.diminuendo}/api/automations`);
      const { items } = (await kept.json()) as { items: { definition: unknown }[] };
      expect(items[0]?.definition).toMatchObject({
        name: "Porto, on weekdays",
        schedule: { cron: "30 7 * * 1-5" },
        retries: { max: 4 },
        missed: { policy: "catch_up", max: 3 },
        overlap: "queue",
        delivery: { task: { name: "tell_person", payload: { recipient: "anna" } } },
      });
      await card.locator('[data-action="edit"]').click();
      expect(await field("delivery.task.name").inputValue()).toBe("tell_person");
      await form.getByRole("button", { name: "Cancel" }).click();
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "an open question is answered from its page, by keyboard alone",
    async () => {
      await byId("new-session").click();
      await byId("composer").fill(FOR_A_COLLEAGUE);
      await open.page.keyboard.press("Enter");
      await byId("question-card").waitFor();
      await go("questions");
      await byId("open-questions").getByTestId("question-card").waitFor();
      await picture("places-5-questions");
      await open.page.locator('[data-field="guest_name"]').focus();
      await open.page.keyboard.type(GUEST.guest_name);
      await open.page.keyboard.press("Tab");
      await open.page.keyboard.type(GUEST.guest_email);
      await open.page.keyboard.press("Enter");
      await byId("empty").waitFor();
      const guests = await eventually("the booking", () => {
        const held = vendorOf(open.stack).guests();
        return held.length > 0 ? held : undefined;
      });
      expect(guests).toEqual([GUEST]);
      await go("incidents");
      await byId("empty").waitFor();
      await picture("places-6-incidents-empty");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "what could not be undone is an incident, and trying again undoes it",
    async () => {
      const roles = ["owner", "finance_approvers"];
      const owner = { tenant: "dev", user: "dev-user-001", roles, permissions: ["book_travel"] };
      const concord = concordOf(open.stack, owner);
      const { body } = await concord("/commands?task_name=hotel_reservation.confirm");
      const [booked] = body["items"] as { command_id: string }[];
      const refuse = { operation: "cancel", mode: "error_before_commit", times: 1_000 } as const;
      await vendorOf(open.stack).setFaults([refuse]);
      await concord(`/commands/${booked?.command_id}/cancel`, { method: "POST", body: {} });
      await eventually("the incident", async () => {
        const { items } = (await concord("/incidents?status=open")).body as { items: unknown[] };
        return items.length > 0 ? true : undefined;
      });
      await go("inbox");
      await go("incidents");
      const card = byId("incident").first();
      await card.waitFor();
      expect(await card.textContent()).toContain("Could not be undone");
      await card.locator('[data-action="skip"]').click();
      await byId("incident-note").waitFor();
      await picture("places-6b-incident");
      await card.getByRole("button", { name: "Back" }).click();
      await vendorOf(open.stack).setFaults([]);
      await card.locator('[data-action="retry"]').click();
      await byId("empty").waitFor();
      await eventually("the cancelled booking", async () => {
        const [booking] = await vendorOf(open.stack).bookings();
        return booking?.status === "cancelled" ? true : undefined;
      });
      await open.page.getByText("Closed", { exact: true }).click();
      await open.page.getByTestId("incident").getByText("Tried again").waitFor();
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "credits are topped up once, a limit is set and lifted, somebody is invited and the invitation taken back",
    async () => {
      await go("credits");
      await byId("ledger").waitFor();
      await byId("top-up-amount").fill("nothing");
      await byId("top-up").click();
      await open.page.getByText("This needs an amount above 0.").waitFor();
      await byId("top-up-amount").fill("12.5");
      await byId("top-up").click();
      await byId("ledger").getByText("Topped up").waitFor();
      const tenant = open.page.locator('[data-testid="limit"][data-of="tenant"]');
      await tenant.getByRole("button", { name: "Set a limit" }).click();
      await byId("limit-amount").fill("3");
      await open.page.keyboard.press("Enter");
      await tenant.getByText("3 a day").waitFor();
      await picture("places-7-credits");
      await tenant.getByRole("button", { name: "Lift" }).click();
      await tenant.getByText("no limit").waitFor();
      await go("members");
      await byId("empty").waitFor();
      await byId("invite-email").fill("ada@example.org");
      await byId("invite").click();
      await byId("invitation").waitFor();
      await picture("places-8-members");
      await byId("invitation").getByRole("button", { name: "Take back" }).click();
      await byId("invitation").waitFor({ state: "detached" });
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a ledger longer than a page is read on to its first entry, and a new entry loses none of what is shown",
    async () => {
      for (let count = 0; count < 30; count += 1) {
        const body = JSON.stringify({ microcredits: 1_000_000, idempotencyKey: `ledger ${count}` });
        const headers = { "content-type": "application/json" };
        const url = `${open.stack.urls.diminuendo}/api/billing/top-ups`;
        expect((await fetch(url, { method: "POST", headers, body })).ok).toBe(true);
      }
      await go("inbox");
      await go("credits");
      const rows = byId("ledger").locator("tbody tr");
      await rows.nth(24).waitFor();
      expect(await rows.count()).toBe(25);
      while (await byId("show-more").isVisible()) {
        const before = await rows.count();
        await byId("show-more").click();
        await rows.nth(before).waitFor();
      }
      await byId("ledger").getByText("Credits to begin with").waitFor();
      const all = await rows.count();
      expect(all).toBeGreaterThan(31);
      await byId("top-up-amount").fill("2");
      await byId("top-up").click();
      await rows.nth(all).waitFor();
      await byId("ledger").getByText("Credits to begin with").waitFor({ state: "visible" });
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "words while the agent works: told now, or sent afterwards and taken back",
    async () => {
      await byId("new-session").click();
      await byId("composer").fill(
        "Which hotels do you know in Porto from 3 to 5 April for 2 guests?",
      );
      await byId("send").click();
      await byId("stop").waitFor();
      await byId("message-user").first().waitFor();
      await byId("composer").fill("And which in Rome from 3 to 5 April for 2 guests?");
      await byId("enqueue").click();
      await byId("queued-turn").waitFor();
      await picture("places-9-queue");
      await byId("queue").getByRole("button", { name: "Take back" }).click();
      await byId("queued-turn").waitFor({ state: "detached" });
      expect(await byId("composer").inputValue()).toBe("");
      await byId("composer").fill("For 3 guests, please");
      await byId("steer").click();
      // Read by the next thought, or, if this was the last one, a turn of its own: said once, either way.
      await byId("message-user").filter({ hasText: "For 3 guests" }).waitFor();
      expect(await byId("composer").inputValue()).toBe("");
      await byId("stop").waitFor({ state: "detached" });
      expect(await byId("message-user").count()).toBe(2);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "on a narrow page the places are behind the menu, and an address leads straight to one",
    async () => {
      await open.page.setViewportSize({ width: 390, height: 844 });
      await open.page.goto(`${open.stack.urls.console}/automations`);
      await byId("automation").first().waitFor();
      await picture("places-10-narrow");
      await byId("open-sessions").click();
      await go("credits");
      await byId("ledger").waitFor();
      const overhang = await open.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(overhang).toBe(0);
      await picture("places-11-narrow-credits");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});

describeInBrowser("somebody who only reads", () => {
  const open = new OpenConsole({
    DIMINUENDO_DEV_IDENTITY: "dev:vic:vic@example.com:viewer:",
  });
  const byId = (id: string) => open.byId(id);

  test(
    "is offered nothing that would be refused",
    async () => {
      await open.page.getByText("You read along here").waitFor();
      for (const hidden of ["new-session", "composer", "go-credits", "go-members"]) {
        expect(await byId(hidden).count()).toBe(0);
      }
      await byId("go-automations").click();
      await byId("empty").waitFor();
      expect(await byId("new-automation").count()).toBe(0);
      await byId("go-incidents").click();
      await open.page.getByText("Owners and operators settle incidents.").waitFor();
      await open.page.goto(`${open.stack.urls.console}/credits`);
      await open.page.getByText("Not for you").waitFor();
      await open.picture("places-12-viewer");
      expect(open.complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
