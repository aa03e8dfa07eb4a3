/** The console's server as a process would meet it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { consoleSite } from "../server/console-site.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "console-"));
  await mkdir(join(folder, "dist/assets"), { recursive: true });
  await writeFile(join(folder, "dist/index.html"), "<title>Concert</title>");
  await writeFile(join(folder, "dist/assets/index-DdoYRa5o.js"), "export {}");
  await writeFile(join(folder, "secret.txt"), "secret");
});
afterAll(() => rm(folder, { recursive: true }));

const get = (
  path: string,
  dist = join(folder, "dist"),
  init: { method?: string; headers?: Record<string, string> } = {},
) =>
  consoleSite({ dist, gatewayUrl: "http://127.0.0.1:8080" })(
    new Request(`http://console.test${path}`, init),
  );

describe("the console's server", () => {
  test.each(["/", "/s/sess_1", "/s/a%2Fb"])(
    "%s is the page, asked for anew each time",
    async (path) => {
      const response = await get(path);
      expect(await response.text()).toContain("Concert");
      expect(response.headers.get("cache-control")).toBe("no-cache");
    },
  );

  test("files named by their content are kept for ever", async () => {
    const response = await get("/assets/index-DdoYRa5o.js");
    expect(response.headers.get("cache-control")).toContain("immutable");
    expect(response.headers.get("content-type")).toContain("javascript");
  });

  test("such files travel compressed to whoever takes that", async () => {
    const ask = (accepted: string) =>
      get("/assets/index-DdoYRa5o.js", undefined, { headers: { "accept-encoding": accepted } });
    const packed = await ask("br, gzip;q=0.8");
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(packed.headers.get("content-type")).toContain("javascript");
    expect(new TextDecoder().decode(Bun.gunzipSync(await packed.arrayBuffer()))).toBe("export {}");
    for (const refusing of ["", "br", "gzip;q=0"]) {
      const plain = await ask(refusing);
      expect(plain.headers.get("content-encoding")).toBeNull();
      expect(await plain.text()).toBe("export {}");
    }
  });

  test("a missing file is missing, not the page", async () => {
    expect((await get("/assets/gone-12345678.js")).status).toBe(404);
    expect((await get("/favicon.ico")).status).toBe(404);
  });

  test("says where the gateway is, to the browser and to the policy", async () => {
    const response = await get("/config.json");
    expect(await response.json()).toEqual({ gatewayUrl: "http://127.0.0.1:8080" });
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("connect-src 'self' http://127.0.0.1:8080 ws://127.0.0.1:8080");
    expect(policy).not.toContain("script-src 'self' '");
  });

  test("a path longer than any file's name is a page or missing, never a failure", async () => {
    expect((await get(`/${"a".repeat(9_000)}`)).status).toBe(200);
    expect((await get(`/assets/${"a".repeat(9_000)}.js`)).status).toBe(404);
  });

  test.each([
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/%00",
    "/%E0%A4%A",
  ])("%s leads nowhere", async (path) => {
    expect(await (await get(path)).text()).not.toContain("secret");
  });

  test("writes are refused", async () => {
    expect((await get("/", undefined, { method: "POST" })).status).toBe(405);
  });

  test("without a build it is alive, not ready, and says what to do", async () => {
    const empty = join(folder, "nothing");
    expect((await get("/health", empty)).status).toBe(200);
    const ready = await get("/ready", empty);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain("vite build packages/console");
    expect(await (await get("/", empty)).text()).toContain("has not been built");
  });
});
