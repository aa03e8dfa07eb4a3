/** The files of a session's agent in a real browser: seen as they come, read in each version, shown safely, and downloaded. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { describeInBrowser, OpenConsole } from "../support/browser.ts";
import { TEST_TIMEOUT_MS } from "../support/stack.ts";

const PAGE = "<script>window.ran = true</script><b>not bold</b>";

describeInBrowser("the files beside a conversation", () => {
  const open = new OpenConsole();
  const { complaints } = open;
  const byId = (id: string) => open.byId(id);
  const file = (path: string) => open.page.locator(`[data-testid="file"][data-path="${path}"]`);

  test(
    "a first-time reader is told how files come; what the agent writes appears, in every version",
    async () => {
      await open.begin("Hello");
      await byId("message-assistant").first().waitFor();
      await byId("panel-choice").getByText("Files", { exact: true }).click();
      await byId("files-panel").getByText("No files yet").waitFor();
      await open.picture("files-1-empty");
      await byId("stop").waitFor({ state: "detached" });
      await open.say("Write trip/notes.md: Buy flowers");
      await file("trip/notes.md").waitFor();
      await byId("stop").waitFor({ state: "detached" });
      await open.say("Write trip/notes.md: Buy tulips");
      await byId("stop").waitFor({ state: "detached" });
      await file("trip/notes.md").click();
      await byId("file-preview").getByText("Buy tulips").waitFor();
      await byId("file-version").selectOption("1");
      await byId("file-preview").getByText("Buy flowers").waitFor();
      await open.picture("files-2-version");
      const coming = open.page.waitForEvent("download");
      await byId("file-download").click();
      const download = await coming;
      expect(download.suggestedFilename()).toBe("notes.md");
      expect(readFileSync(await download.path(), "utf8")).toBe("Buy flowers");
      await byId("files-back").click();
      await file("trip/notes.md").waitFor();
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a page that an agent wrote is text: nothing in it runs",
    async () => {
      await open.say(`Write page.html: ${PAGE}`);
      await file("page.html").click();
      await byId("file-preview").getByText(PAGE).waitFor();
      expect(await open.page.evaluate("window.ran")).toBeUndefined();
      await open.page.setViewportSize({ width: 390, height: 844 });
      await byId("open-record").click();
      await file("page.html").click();
      await byId("file-preview").getByText(PAGE).waitFor();
      await open.picture("files-3-narrow");
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a session that is deleted leaves every list at once, and who had it open is told",
    async () => {
      await open.page.setViewportSize({ width: 1440, height: 900 });
      const other = await open.page.context().browser()?.newPage();
      if (other === undefined) throw new Error("the page has a browser");
      await other.goto(open.page.url());
      const signIn = other.getByTestId("sign-in-dev");
      await signIn.or(other.getByTestId("thread")).first().waitFor();
      if (await signIn.isVisible()) await signIn.click();
      await other.getByTestId("session-item").waitFor();
      await byId("session-menu").click();
      await byId("delete-session").click();
      await byId("confirm-delete").waitFor();
      await open.picture("files-4-delete");
      await byId("confirm-delete").click();
      await byId("session-item").waitFor({ state: "detached" });
      await byId("composer").waitFor();
      await other.getByTestId("session-item").waitFor({ state: "detached" });
      await other.getByText("This session was deleted.").waitFor();
      await other.close();
      const answer = await fetch(`${open.stack.urls.diminuendo}/api/threads/deleted`);
      expect(await answer.json()).toMatchObject({ items: [{ deletedBy: "dev-user-001" }] });
      expect(complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
