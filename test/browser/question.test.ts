/**
 * The whole way of a question in a real browser, as a first-time reader takes it: a suggestion is clicked, the agent asks, the
 * page is reloaded and every process behind it dies while the question is open, the answer is given, and the run goes on.
 */
import { expect, test } from "bun:test";
import { describeInBrowser, OpenConsole } from "../support/browser.ts";
import { TEST_TIMEOUT_MS } from "../support/stack.ts";

describeInBrowser("a question in the middle of a run", () => {
  const open = new OpenConsole();
  const byId = (id: string) => open.byId(id);

  test(
    "asked, reloaded, its processes killed, answered, and what was to follow is done once",
    async () => {
      await byId("new-session").first().click();
      await byId("suggestion").filter({ hasText: "Be asked something" }).click();
      const card = byId("question-card");
      await card.getByText("Please tell me which flowers you like.").waitFor();
      await byId("waiting-badge").getByText("Needs your answer").waitFor();
      await open.picture("question-1-asked");
      await open.page.reload();
      await card.waitFor();
      for (const service of ["podium", "concord", "diminuendo", "ensemble"] as const) {
        await open.stack.kill(service);
        await open.stack.waitHealthy(service);
        await open.stack.answers(service);
      }
      await byId("connection-banner").waitFor({ state: "detached" });
      await card.locator('[data-field="answer"]').fill("Tulips");
      await card.getByTestId("answer").click();
      const answered = open.page.locator('[data-testid="question-outcome"]');
      await answered.and(open.page.locator('[data-outcome="answered"]')).waitFor();
      await byId("message-assistant").filter({ hasText: "is created, version 1" }).waitFor();
      await byId("show-record").last().waitFor();
      expect(await card.count()).toBe(1);
      expect(await byId("waiting-badge").count()).toBe(0);
      await byId("panel-choice").getByText("Files", { exact: true }).click();
      await open.page.locator('[data-testid="file"][data-path="trip/notes.md"]').click();
      await byId("file-preview").getByText("Tulips").waitFor();
      await open.picture("question-2-answered");
      expect(open.complaints).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
