/**
 * The main journey in a real browser over a real stack: sign in, ask, approve, read the record, and reload in
 * mid-answer. Pictures go to `test-results/`. Without a Chromium this file says so and skips, except where
 * `CI_REQUIRE_ALL=1` demands it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findChromium, REPOSITORY } from "@concert/cli/stack";
import { type Browser, chromium, type Page } from "playwright-core";
import { FOR_A_COLLEAGUE, GUEST, REQUEST } from "../support/journey.ts";
import {
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

describe.skipIf(EXECUTABLE === undefined && !REQUIRED)("the console in a browser", () => {
  let stack: TestStack;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    if (EXECUTABLE === undefined) throw new Error("CI_REQUIRE_ALL=1, but there is no Chromium");
    mkdirSync(PICTURES, { recursive: true });
    stack = await startTestStack({ withConsole: true });
    browser = await launch(EXECUTABLE);
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => complaints.push(error.message));
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await stack?.dispose();
  }, START_TIMEOUT_MS);

  const byId = (id: string) => page.getByTestId(id);
  const picture = (name: string) => page.screenshot({ path: join(PICTURES, `${name}.png`) });

  async function openSession(): Promise<void> {
    await page.goto(stack.urls.console);
    const signIn = byId("sign-in-dev");
    await signIn.or(byId("new-session")).first().waitFor();
    if (await signIn.isVisible()) await signIn.click();
    await byId("new-session").first().click();
    await byId("composer").waitFor();
  }

  async function say(text: string): Promise<void> {
    await byId("composer").fill(text);
    await byId("send").click();
  }

  test(
    "sign in, ask, approve, be told the confirmation, and read the record",
    async () => {
      await openSession();
      await picture("1-new-session");
      await say(REQUEST);
      await byId("approval-card").first().waitFor();
      await picture("2-approval");
      expect(await byId("approval-card").first().textContent()).toContain("Grand Hotel Miramar");
      await byId("approve").first().click();
      const code = await confirmationCode();
      await byId("message-assistant").filter({ hasText: code }).first().waitFor();
      await picture("3-confirmed");
      await byId("record-panel").waitFor();
      expect(await byId("record-panel").textContent()).toMatch(/approv/i);
      await picture("4-record");
      expect(await vendorOf(stack).bookings()).toHaveLength(1);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a reload in mid-answer shows the same conversation",
    async () => {
      await openSession();
      await say(REQUEST.replace("3 to 5", "10 to 12"));
      await byId("message-assistant").first().waitFor();
      await page.reload();
      await byId("approval-card").first().waitFor();
      const before = await page.getByTestId("message-assistant").allTextContents();
      // One message before each of the three calls: what streamed before the reload is not there twice.
      expect(before).toHaveLength(3);
      expect(new Set(before).size).toBe(3);
      expect(await byId("message-user").count()).toBe(1);
      await picture("5-after-reload");
      await page.reload();
      await byId("approval-card").first().waitFor();
      expect(await page.getByTestId("message-assistant").allTextContents()).toEqual(before);
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a question is a form: what is missing is pointed at, a reload loses nothing, the answer goes on",
    async () => {
      await openSession();
      await say(FOR_A_COLLEAGUE);
      await byId("question-card").waitFor();
      await byId("answer").click();
      const name = page.locator('[data-field="guest_name"]');
      await page.getByText("This is needed.").first().waitFor();
      await picture("6-question");
      await page.reload();
      await byId("question-card").waitFor();
      await name.fill(GUEST.guest_name);
      await page.locator('[data-field="guest_email"]').fill(GUEST.guest_email);
      await page.keyboard.press("Enter");
      await page.locator('[data-testid="question-outcome"][data-outcome="answered"]').waitFor();
      await byId("message-assistant").filter({ hasText: "Casa do Rossio" }).last().waitFor();
      await byId("show-record").last().waitFor();
      expect(vendorOf(stack).guests().at(-1)).toEqual(GUEST);
      await picture("7-answered");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  async function confirmationCode(): Promise<string> {
    const deadlineMs = Date.now() + PATIENCE_MS;
    while (Date.now() < deadlineMs) {
      const [booking] = await vendorOf(stack).bookings();
      if (booking !== undefined) return booking.confirmation_code;
      await Bun.sleep(100);
    }
    throw new Error("the vendor never held a booking");
  }
});

function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
