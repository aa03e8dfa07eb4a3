import { describe, expect, test } from "vitest";
import { PLACES, pathOf, readRoute } from "./use-route.ts";

describe("a route", () => {
  test.each(["sess_1", "a/b c", "ü"])("survives the address bar with %s", (sessionId) => {
    expect(readRoute(pathOf({ page: "session", sessionId }))).toEqual({
      page: "session",
      sessionId,
    });
  });

  test.each(PLACES)("%s has an address of its own, with and without a slash", (page) => {
    expect(readRoute(pathOf({ page }))).toEqual({ page });
    expect(readRoute(`/${page}/`)).toEqual({ page });
  });

  test.each(["/", "/inbox/x", "/s/", "/elsewhere", "/s/%E0%A4%A"])(
    "%s is the start page",
    (path) => {
      expect(readRoute(path)).toEqual({ page: "new" });
    },
  );
});
