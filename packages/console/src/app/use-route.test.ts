import { describe, expect, test } from "vitest";
import { pathOf, readRoute } from "./use-route.ts";

describe("a route", () => {
  test.each(["sess_1", "a/b c", "ü"])("survives the address bar with %s", (sessionId) => {
    expect(readRoute(pathOf({ page: "session", sessionId }))).toEqual({
      page: "session",
      sessionId,
    });
  });

  test.each(["/", "/s/", "/elsewhere", "/s/%E0%A4%A"])("%s is the start page", (path) => {
    expect(readRoute(path)).toEqual({ page: "new" });
  });
});
