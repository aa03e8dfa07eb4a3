/** Who is given which key, and what a service may inherit. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultAddresses, urlsOf } from "./addresses.ts";
import { environmentFor } from "./environment.ts";
import { loadKeys } from "./secrets.ts";
import { SERVICES } from "./services.ts";

const folder = mkdtempSync(join(tmpdir(), "concert-environment-"));
afterAll(() => rmSync(folder, { recursive: true }));

const facts = {
  dataDir: folder,
  urls: urlsOf(defaultAddresses(), "postgres://elsewhere/concert"),
  keys: loadKeys(folder, {}),
};
const envOf = (name: string, inherited: Record<string, string> = {}) => {
  const row = SERVICES.find((one) => one.name === name);
  if (row === undefined) throw new Error(`no ${name}`);
  return environmentFor(row, facts, inherited);
};

test("a service is given the keys of its neighbours and no others", () => {
  expect(Object.keys(envOf("console"))).toEqual([]);
  expect(Object.keys(envOf("ensemble"))).not.toContain("CONCORD_SERVICE_KEY");
  expect(Object.keys(envOf("podium"))).not.toContain("HOTEL_VENDOR_API_KEY");
  expect(Object.keys(envOf("podium"))).not.toContain("CONCORDANCE_API_KEY");
  expect(envOf("concord")["DATABASE_URL"]).toBe("postgres://elsewhere/concert");
});

test("a key or address of the caller's does not reach a service by inheritance, a provider's key does", () => {
  const inherited = { CONCORD_SERVICE_KEY: "x", PODIUM_LISTEN: "y", ENSEMBLE_OPENAI_API_KEY: "z" };
  expect(envOf("ensemble", inherited)["CONCORD_SERVICE_KEY"]).toBeUndefined();
  expect(envOf("podium", inherited)["PODIUM_LISTEN"]).toBeUndefined();
  expect(envOf("ensemble", inherited)["ENSEMBLE_OPENAI_API_KEY"]).toBe("z");
});

test("what signs webhooks reaches who signs with it and nobody else", () => {
  const inherited = { CONCORD_WEBHOOK_ACME__SHOP: "whsec_x", DIMINUENDO_WEBHOOK_OPS: "whsec_y" };
  const holdersOf = (secret: string) =>
    SERVICES.filter(({ name }) => secret in envOf(name, inherited)).map(({ name }) => name);
  expect(holdersOf("CONCORD_WEBHOOK_ACME__SHOP")).toEqual(["concord"]);
  expect(holdersOf("DIMINUENDO_WEBHOOK_OPS")).toEqual(["diminuendo"]);
});

test("Concord has the contracts of the example and those that tell people, unless the caller names others", () => {
  const example = "examples/hotel-booking/contracts/index.ts";
  const tell = "examples/hotel-booking/contracts/tell.yaml";
  expect(envOf("concord")["CONCORD_CONTRACTS"]).toBe(`${example},${tell}`);
  const own = `${example},/srv/contracts`;
  expect(envOf("concord", { CONCORD_CONTRACTS: own })["CONCORD_CONTRACTS"]).toBe(own);
  expect(envOf("podium")["CONCORD_CONTRACTS"]).toBeUndefined();
});

test("no argument of any service holds a key", () => {
  const args = SERVICES.flatMap((row) => row.args(facts)).join(" ");
  for (const key of Object.values(facts.keys)) expect(args).not.toContain(key);
});

test("keys are made once, kept for the owner alone, and overridden by the environment", () => {
  const own = mkdtempSync(join(tmpdir(), "concert-keys-"));
  const first = loadKeys(own, {});
  expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length);
  expect(loadKeys(own, {})).toEqual(first);
  expect(loadKeys(own, { PODIUM_API_KEY: "mine", ENSEMBLE_API_KEY: "" })).toEqual({
    ...first,
    podiumApiKey: "mine",
  });
  expect(loadKeys(own, {})).toEqual(first);
  const path = join(own, "secrets.json");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const { podiumApiKey, ...older } = JSON.parse(readFileSync(path, "utf8")) as Record<
    string,
    string
  >;
  expect(podiumApiKey).toBe(first.podiumApiKey);
  writeFileSync(path, JSON.stringify(older));
  const { podiumApiKey: made, ...rest } = loadKeys(own, {});
  expect(made).not.toBe(first.podiumApiKey);
  expect({ ...rest, podiumApiKey: first.podiumApiKey }).toEqual({ ...first });
  writeFileSync(path, "{damaged");
  expect(() => loadKeys(own, {})).toThrow("is not valid JSON");
  rmSync(own, { recursive: true });
});
