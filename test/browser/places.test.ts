/**
 * The pages beside the sessions, in a real browser over a real stack: an automation made, run and read in the inbox;
 * questions, incidents, credits and members; and words said while the agent works. Pictures go to `test-results/`.
 * Without a Chromium this file says so and skips, except where `CI_REQUIRE_ALL=1` demands it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findChromium, REPOSITORY } from "@concert/cli/stack";
import { type Browser, chromium, type Page } from "playwright-core";
import { concordOf } from "../support/concord.ts";
import { SLOW_MODEL } from "../support/cut.ts";
import { FOR_A_COLLEAGUE, GUEST } from "../support/journey.ts";
import {
  eventually,
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "../support/stack.ts";
import { vendorOf } from "../support/vendor.ts";

const EXECUTABLE = findChromium();
const REQUIRED = process.env["CI_REQUIRE_ALL"] === "1";
const PICTURES = join(REPOSITORY, "test-results");
const PATIENCE_MS = 60_000;

if (EXECUTABLE === undefined) {
  process.stderr.write(
    "No Chromium here: the browser tests need one at /usr/bin/chromium or CHROMIUM_PATH.\n",
  );
}

interface Open {
  readonly stack: TestStack;
  readonly browser: Browser;
  readonly page: Page;
  /** What the page itself threw. */
  readonly complaints: string[];
}

async function open(env: Readonly<Record<string, string>>): Promise<Open> {
  if (EXECUTABLE === undefined) throw new Error("CI_REQUIRE_ALL=1, but there is no Chromium");
  mkdirSync(PICTURES, { recursive: true });
  const stack = await startTestStack({ env, withConsole: true });
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(stack.urls.console);
  const signIn = page.getByTestId("sign-in-dev");
  await signIn.or(page.getByTestId("go-inbox")).first().waitFor();
  if (await signIn.isVisible()) await signIn.click();
  await page.getByTestId("go-inbox").waitFor();
  return { stack, browser, page, complaints };
}

describe.skipIf(EXECUTABLE === undefined && !REQUIRED)("the console's pages", () => {
  let stack: TestStack;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[] = [];

  beforeAll(async () => {
    const env = { ...SLOW_MODEL.env, HOTEL_RETRY_FACTOR: "0" };
    ({ stack, browser, page, complaints } = await open(env));
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await stack?.dispose();
  }, START_TIMEOUT_MS);

  const byId = (id: string) => page.getByTestId(id);
  const picture = (name: string) => page.screenshot({ path: join(PICTURES, `${name}.png`) });
  const go = (place: string) => byId(`go-${place}`).click();

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
      await page.locator('[data-testid="automation-run"][data-status="succeeded"]').waitFor();
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
    "an open question is answered from its page, by keyboard alone",
    async () => {
      await byId("new-session").click();
      await byId("composer").fill(FOR_A_COLLEAGUE);
      await page.keyboard.press("Enter");
      await byId("question-card").waitFor();
      await go("questions");
      await byId("open-questions").getByTestId("question-card").waitFor();
      await picture("places-5-questions");
      await page.locator('[data-field="guest_name"]').focus();
      await page.keyboard.type(GUEST.guest_name);
      await page.keyboard.press("Tab");
      await page.keyboard.type(GUEST.guest_email);
      await page.keyboard.press("Enter");
      await byId("empty").waitFor();
      const guests = await eventually("the booking", () => {
        const held = vendorOf(stack).guests();
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
      const concord = concordOf(stack, owner);
      const { body } = await concord("/commands?task_name=hotel_reservation.confirm");
      const [booked] = body["items"] as { command_id: string }[];
      const refuse = { operation: "cancel", mode: "error_before_commit", times: 1_000 } as const;
      await vendorOf(stack).setFaults([refuse]);
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
      await vendorOf(stack).setFaults([]);
      await card.locator('[data-action="retry"]').click();
      await byId("empty").waitFor();
      await eventually("the cancelled booking", async () => {
        const [booking] = await vendorOf(stack).bookings();
        return booking?.status === "cancelled" ? true : undefined;
      });
      await page.getByText("Closed", { exact: true }).click();
      await page.getByTestId("incident").getByText("Tried again").waitFor();
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
      await page.getByText("This needs an amount above 0.").waitFor();
      await byId("top-up-amount").fill("12.5");
      await byId("top-up").click();
      await byId("ledger").getByText("Topped up").waitFor();
      const tenant = page.locator('[data-testid="limit"][data-of="tenant"]');
      await tenant.getByRole("button", { name: "Set a limit" }).click();
      await byId("limit-amount").fill("3");
      await page.keyboard.press("Enter");
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
      await byId("show-record").last().waitFor();
      expect(await byId("message-user").count()).toBe(1);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "on a narrow page the places are behind the menu, and an address leads straight to one",
    async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      await page.goto(`${stack.urls.console}/automations`);
      await byId("automation").first().waitFor();
      await picture("places-10-narrow");
      await byId("open-sessions").click();
      await go("credits");
      await byId("ledger").waitFor();
      const overhang = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(overhang).toBe(0);
      await picture("places-11-narrow-credits");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});

describe.skipIf(EXECUTABLE === undefined && !REQUIRED)("somebody who only reads", () => {
  test(
    "is offered nothing that would be refused",
    async () => {
      const env = { DIMINUENDO_DEV_IDENTITY: "dev:vic:vic@example.com:viewer:" };
      const { stack, browser, page, complaints } = await open(env);
      try {
        const byId = (id: string) => page.getByTestId(id);
        await page.getByText("You read along here").waitFor();
        for (const hidden of ["new-session", "composer", "go-credits", "go-members"]) {
          expect(await byId(hidden).count()).toBe(0);
        }
        await byId("go-automations").click();
        await byId("empty").waitFor();
        expect(await byId("new-automation").count()).toBe(0);
        await byId("go-incidents").click();
        await page.getByText("Owners and operators settle incidents.").waitFor();
        await page.goto(`${stack.urls.console}/credits`);
        await page.getByText("Not for you").waitFor();
        await page.screenshot({ path: join(PICTURES, "places-12-viewer.png") });
        expect(complaints).toEqual([]);
      } finally {
        await browser.close();
        await stack.dispose();
      }
    },
    START_TIMEOUT_MS + TEST_TIMEOUT_MS,
  );
});
