/** The gateway starts from its bundle as from its sources, and never from a bundle of other sources. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { BUNDLE_FOLDER, bundleIfCurrent, type Manifest } from "../src/launch/bundle.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

const TOOL = join(import.meta.dirname, "../tools/bundle/main.ts");

async function build(): Promise<void> {
  const tool = Bun.spawn([process.execPath, TOOL], { stdio: ["ignore", "inherit", "inherit"] });
  expect(await tool.exited).toBe(0);
}

/** A turn from its beginning to its end, by a gateway that starts just now. */
async function oneTurn(): Promise<void> {
  const world = new World();
  try {
    const { port } = await world.start();
    const client = await TestClient.as(port, TOKENS.ann);
    const sessionId = await client.newSession();
    await client.ask({ type: "run_turn", sessionId, text: "hello" });
    await client.until(() => client.log(sessionId).some(({ type }) => type === "turn_complete"));
  } finally {
    await world.stop();
  }
}

beforeAll(build);
// As it was found: of these sources.
afterAll(build);

test("a turn runs in a gateway that was started from its bundle", async () => {
  expect(bundleIfCurrent()).toStartWith(BUNDLE_FOLDER);
  await oneTurn();
});

test("the bundle names every source that it was made of", () => {
  const { files }: Manifest = JSON.parse(
    readFileSync(join(BUNDLE_FOLDER, "manifest.json"), "utf8"),
  );
  const paths = Object.keys(files);
  for (const part of ["diminuendo/src/gateway.ts", "diminuendo/src/db/session-tables.ts"]) {
    expect(paths).toContain(`packages/${part}`);
  }
  expect(paths.some((path) => path.startsWith("packages/service-kit/"))).toBe(true);
  expect(paths).toContain("node_modules/.package-lock.json");
});

test("a source that has changed since makes it start from the sources, until it is built again", async () => {
  const path = join(import.meta.dirname, "../src/db/session-tables.ts");
  const before = statSync(path);
  utimesSync(path, before.atime, new Date(before.mtimeMs + 1_000));
  try {
    expect(bundleIfCurrent()).toBeNull();
    await oneTurn();
    await build();
    expect(bundleIfCurrent()).not.toBeNull();
  } finally {
    utimesSync(path, before.atime, before.mtime);
  }
  expect(bundleIfCurrent()).toBeNull();
});
