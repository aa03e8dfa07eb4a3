/**
 * A stack with its console open in a real browser, for all tests of a group. Pictures go to `test-results/`. Without a
 * Chromium the groups say so and skip, except where `CI_REQUIRE_ALL=1` demands them.
 */
import { afterAll, beforeAll, describe } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findChromium, REPOSITORY } from "@concert/cli/stack";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { eventually, START_TIMEOUT_MS, startTestStack, type TestStack } from "./stack.ts";
import { vendorOf } from "./vendor.ts";

const EXECUTABLE = findChromium();
const REQUIRED = process.env["CI_REQUIRE_ALL"] === "1";
const PICTURES = join(REPOSITORY, "test-results");
const PATIENCE_MS = 60_000;

if (EXECUTABLE === undefined) {
  process.stderr.write(
    "No Chromium here: the browser tests need one at /usr/bin/chromium or CHROMIUM_PATH.\n",
  );
}

export const describeInBrowser = describe.skipIf(EXECUTABLE === undefined && !REQUIRED);

interface Open {
  readonly stack: TestStack;
  readonly browser: Browser;
  readonly page: Page;
}

export class OpenConsole {
  /** What the page itself threw. */
  readonly complaints: string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  #open: Open | null = null;

  /** Call at the top of a group: it starts before the first test and is gone after the last. */
  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#env = env;
    beforeAll(() => this.#start(), START_TIMEOUT_MS);
    afterAll(() => this.#end(), START_TIMEOUT_MS);
  }

  get stack(): TestStack {
    return this.#opened.stack;
  }

  get page(): Page {
    return this.#opened.page;
  }

  byId(id: string): Locator {
    return this.page.getByTestId(id);
  }

  picture(name: string): Promise<unknown> {
    return this.page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  go(place: string): Promise<void> {
    return this.byId(`go-${place}`).click();
  }

  /** A new session that begins with `text`. */
  async begin(text: string): Promise<void> {
    await this.byId("new-session").first().click();
    await this.say(text);
  }

  async say(text: string): Promise<void> {
    await this.byId("composer").fill(text);
    await this.byId("send").click();
  }

  get #opened(): Open {
    if (this.#open === null) throw new Error("the console opens before the first test");
    return this.#open;
  }

  async #start(): Promise<void> {
    if (EXECUTABLE === undefined) throw new Error("CI_REQUIRE_ALL=1, but there is no Chromium");
    mkdirSync(PICTURES, { recursive: true });
    const stack = await startTestStack({ env: { ...this.#env }, withConsole: true });
    const browser = await launch(EXECUTABLE);
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.complaints.push(error.message));
    this.#open = { stack, browser, page };
    await page.goto(stack.urls.console);
    const signIn = this.byId("sign-in-dev");
    await signIn.or(this.byId("go-inbox")).first().waitFor();
    if (await signIn.isVisible()) await signIn.click();
    await this.byId("go-inbox").waitFor();
  }

  async #end(): Promise<void> {
    await this.#open?.browser.close();
    await this.#open?.stack.dispose();
  }
}

/** The code of the vendor's first booking. */
export function confirmationCode(stack: TestStack): Promise<string> {
  return eventually("a booking at the vendor", async () => {
    const [booking] = await vendorOf(stack).bookings();
    return booking?.confirmation_code;
  });
}

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
